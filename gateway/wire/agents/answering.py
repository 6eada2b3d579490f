"""From the gate's `Answer` to bytes and a status. Pure, but for a last net under a gate that raises."""

from __future__ import annotations

import logging
from functools import lru_cache

from gateway.core.model import Answer, Era, JsonObject, Request, RpcError
from gateway.core.settle import GATEWAY_ERRORS
from gateway.made import Made
from gateway.ports import Channel, Gate
from gateway.reasons import Reason
from gateway.sdk import inbound
from gateway.wire import shape, strict_json
from gateway.wire.agents.exchange import Header, Rejected, Reply
from gateway.wire.agents.messages import error_body, refusal, result_body, result_in

log = logging.getLogger("bulkhead.wire")


async def ask_gate(gate: Gate, request: Request, channel: Channel) -> Answer:
    """The gate's answer. A gate that raises, against its word, is a closed one."""
    try:
        return await gate.answer(request, channel)
    except Exception:
        return raised(request)


def raised(request: Request) -> Answer:
    """Instead of the answer of a gate that has just raised."""
    log.exception("the gate raised on %s", request.method)
    return gateway_error(Reason.INTERNAL)


def gateway_error(reason: Reason) -> Answer:
    """An error of the gateway's own making."""
    code, status, message = GATEWAY_ERRORS[reason]
    return Answer(error=refusal(code, message, reason), http_status=status)


def body_of(request: Request, answer: Answer) -> bytes:
    """The JSON-RPC response, in the shape of the agent's era."""
    if answer.error is not None:
        return error_body(request.id, _error(request, answer.error))
    result = answer.result or {}
    if answer.lasting:
        return result_in(request.id, _writer(request.era, request.method).of(result))
    return result_body(request.id, shape.result_for(request.era, request.method, result))


def rest_of(request: Request, answer: Answer) -> bytes | None:
    """Of an answer that was carried the members that were held back, and the end; None where it must not be
    completed."""
    if not answer.carried or answer.result is None:
        return None
    result = shape.result_for(request.era, request.method, answer.result)
    members = strict_json.dumps(result)[1:-1]
    return b",%b}}" % members if members else b"}}"


@lru_cache(maxsize=16)
def _writer(era: Era, method: str) -> Made[JsonObject, bytes]:
    """Of results that last: lists."""
    return Made(lambda result: strict_json.dumps(shape.result_for(era, method, result)), 128)


def _error(request: Request, error: RpcError) -> RpcError:
    return shape.error_for(request.era, request.method, request.params, error)


def status_of(request: Request, answer: Answer) -> int:
    """The HTTP status of a stateless answer: the gate's, or the one the protocol gives the error code."""
    if answer.http_status != 200 or answer.error is None:
        return answer.http_status
    return status_for(_error(request, answer.error))


def status_for(error: RpcError) -> int:
    """The HTTP status the protocol gives an error's code."""
    return inbound.ERROR_CODE_HTTP_STATUS.get(error.code, 200)


def overloaded() -> Rejected:
    """503: nothing was read, nothing was started."""
    return _rejected(Reason.OVERLOADED, (("retry-after", "1"), ("connection", "close")))


def fenced() -> Rejected:
    """403: what was kept for this agent stays where it is."""
    return _rejected(Reason.FENCED)


def _rejected(reason: Reason, headers: tuple[Header, ...] = ()) -> Rejected:
    answer = gateway_error(reason)
    assert answer.error is not None
    return Rejected(Reply(answer.http_status, error_body(None, answer.error), headers))
