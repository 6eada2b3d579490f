"""JSON-RPC 2.0 as MCP uses it: one message per body, raw objects in and out.

It knows the envelope, and of methods only which have arguments.

Params, arguments, result and error that are null are absent: typed languages write so what they leave out, and tool
servers on most SDKs take it. What is left out is out for everybody who comes later, so policy and tool server read the
same.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.core.model import JsonObject, RequestId, RpcError
from gateway.core.settle import INVALID_PARAMS
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import Value
from gateway.wire import strict_json
from gateway.wire.agents.exchange import Header, Rejected, Reply

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
REQUEST_CANCELLED: Final = -32800
"""What ends a cancelled request's stream where only an answer can (sessions era)."""
_WITH_ARGUMENTS: Final = frozenset({"tools/call", "prompts/get"})
_OF_RESPONSES: Final = frozenset({"result", "error"})
_BATCH: Final = "batches are not served: send one message per request"
_NOT_ONE: Final = 'the body must be one JSON-RPC 2.0 object ("jsonrpc": "2.0")'


class Call(Value):
    """A request: it is owed an answer."""

    id: RequestId
    method: str
    params: JsonObject


class Note(Value):
    """A notification: it is owed nothing."""

    method: str
    params: JsonObject


class Response(Value):
    """The agent's answer to a request of ours."""

    id: RequestId
    result: JsonObject | None
    error: RpcError | None


Message = Call | Note | Response


def parse(body: bytes, *, max_bytes: int, max_depth: int) -> Message:
    """The one message in a body. Raises `Rejected` (400, 413)."""
    try:
        value = strict_json.parse(body, max_bytes=max_bytes, max_depth=max_depth)
    except Refused as refused:
        status = 413 if refused.reason is Reason.TOO_LARGE else 400
        code = PARSE_ERROR if refused.reason is Reason.MALFORMED else INVALID_REQUEST
        raise rejected(status, code, refused.detail, reason=refused.reason) from None
    return read(value)


def read(value: Any) -> Message:
    """A parsed value as a message. Raises `Rejected` (400): batches, wrong envelopes, ids that are no ids."""
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise _invalid(_BATCH if isinstance(value, list) else _NOT_ONE)
    method, params = value.get("method"), value.get("params")
    if not method or not isinstance(method, str):
        if "method" in value:
            raise _invalid("method must be a non-empty string")
        return _response(value)
    if not _OF_RESPONSES.isdisjoint(value) and _answers(value):
        raise _invalid("a message is a request or a response, never both")
    id = value.get("id")
    if not (type(id) is int or isinstance(id, str)) and "id" in value:
        raise _invalid("id must be a string or an integer")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise rejected(400, INVALID_PARAMS, "params must be an object", id=id, reason=_MALFORMED)
    if method in _WITH_ARGUMENTS and params.get("arguments", params) is None:
        params = {name: value for name, value in params.items() if name != "arguments"}
    return Note(method, params) if id is None else Call(id, method, params)


def _answers(value: JsonObject) -> bool:
    return value.get("result") is not None or value.get("error") is not None


def _response(value: JsonObject) -> Response:
    result, error = value.get("result"), value.get("error")
    if (result is None) == (error is None) or not _is_id(value.get("id")):
        raise _invalid("the object is neither a request nor a response")
    if result is not None:
        if not isinstance(result, dict):
            raise _invalid("result must be an object")
        return Response(value["id"], result, None)
    if not isinstance(error, dict) or type(error.get("code")) is not int:
        raise _invalid("error must be an object with an integer code")
    message = error.get("message")
    if not isinstance(message, str):
        raise _invalid("error.message must be a string")
    has_data = "data" in error
    return Response(
        value["id"], None, RpcError(error["code"], message, error.get("data"), has_data)
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) or type(value) is int


_MALFORMED: Final = Reason.MALFORMED


def _invalid(message: str) -> Rejected:
    return rejected(400, INVALID_REQUEST, message, reason=_MALFORMED)


def refusal(code: int, message: str, reason: Reason | None = None) -> RpcError:
    """An error of the wire's own, with the reason code where there is one."""
    if reason is None:
        return RpcError(code, message)
    return RpcError(code, message, {"reason": str(reason)}, has_data=True)


def rejected(
    status: int,
    code: int,
    message: str,
    *,
    id: RequestId | None = None,
    reason: Reason | None = None,
    headers: tuple[Header, ...] = (),
) -> Rejected:
    """An HTTP status with a JSON-RPC error as its body. `id` is null when none could be believed."""
    body = error_body(id, refusal(code, message, reason))
    return Rejected(Reply(status, body, headers))


def result_body(id: RequestId, result: JsonObject) -> bytes:
    """A response that carries a result, as it goes on the wire."""
    return strict_json.dumps({"jsonrpc": "2.0", "id": id, "result": result})


def result_in(id: RequestId, result: bytes) -> bytes:
    """The same, of a result that is written already."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (strict_json.dumps(id), result)


def error_body(id: RequestId | None, error: RpcError) -> bytes:
    """A response that carries an error, verbatim."""
    return strict_json.dumps({"jsonrpc": "2.0", "id": id, "error": error.as_json()})


def notification_body(method: str, params: JsonObject) -> bytes:
    """A notification. Empty params are left out, as servers do."""
    message: JsonObject = {"jsonrpc": "2.0", "method": method}
    return strict_json.dumps({**message, "params": params} if params else message)


def request_body(id: RequestId, method: str, params: JsonObject) -> bytes:
    """A request of ours to the agent's client."""
    message: JsonObject = {"jsonrpc": "2.0", "id": id, "method": method}
    return strict_json.dumps({**message, "params": params} if params else message)
