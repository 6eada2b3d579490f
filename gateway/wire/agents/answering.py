"""From the gate's `Answer` to bytes and a status. Pure, but for a last net under a gate that raises."""

from __future__ import annotations

import logging
from functools import lru_cache, partial
from typing import Final

from gateway.core.model import Answer, Era, JsonObject, Request
from gateway.core.settle import GATEWAY_ERRORS
from gateway.made import Made
from gateway.ports import Channel, Gate
from gateway.reasons import Reason
from gateway.sdk import inbound
from gateway.values import replace
from gateway.wire import shape, strict_json
from gateway.wire.agents.exchange import Header, Rejected, Reply
from gateway.wire.agents.messages import error_body, refusal, result_body, result_in

log = logging.getLogger("bulkhead.wire")


async def ask_gate(gate: Gate, request: Request, channel: Channel) -> Answer:
    """The gate's answer, in the shape of the agent's era. A gate that raises, against its word, is a closed one."""
    try:
        answer = await gate.answer(request, channel)
    except Exception:
        return raised(request)
    return shaped(request, answer)


def raised(request: Request) -> Answer:
    """Instead of the answer of a gate that has just raised."""
    log.exception("the gate raised on %s", request.method)
    return gateway_error(Reason.INTERNAL)


def shaped(request: Request, answer: Answer) -> Answer:
    """An answer in the shape of the agent's era."""
    if answer.error is not None:
        error = shape.error_for(request.era, request.method, request.params, answer.error)
        return answer if error is answer.error else Answer(None, error, answer.http_status)
    if answer.lasting:
        shaped = _shaper(request.era, request.method).of(answer.result or {})
        return answer if shaped is answer.result else replace(answer, result=shaped)
    result = shape.result_for(request.era, request.method, answer.result or {})
    if result is answer.result:
        return answer
    return Answer(result, None, answer.http_status, answer.carried)


def gateway_error(reason: Reason) -> Answer:
    """An error of the gateway's own making."""
    code, status, message = GATEWAY_ERRORS[reason]
    return Answer(error=refusal(code, message, reason), http_status=status)


def body_of(request: Request, answer: Answer) -> bytes:
    """The JSON-RPC response."""
    if answer.error is not None:
        return error_body(request.id, answer.error)
    if answer.lasting:
        return result_in(request.id, _WRITTEN.of(answer.result or {}))
    return result_body(request.id, answer.result or {})


_WRITTEN: Final = Made(strict_json.dumps, 128)


@lru_cache(maxsize=16)
def _shaper(era: Era, method: str) -> Made[JsonObject, JsonObject]:
    """Of results that last: lists."""
    return Made(partial(shape.result_for, era, method), 128)


def status_of(answer: Answer) -> int:
    """The HTTP status of a stateless answer: the gate's, or the one the protocol gives the error code."""
    if answer.http_status != 200 or answer.error is None:
        return answer.http_status
    return inbound.ERROR_CODE_HTTP_STATUS.get(answer.error.code, 200)


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
