"""Which era a server speaks: the stateless question first, and what may be concluded from the answer.

Spec: 2026-07-28 basic/versioning. A failure is never a verdict: a server that is down, guarded or broken
is asked again next time.
"""

from __future__ import annotations

from gateway.core.model import Era, JsonObject
from gateway.ports import Outbound
from gateway.sdk import UNSUPPORTED_PROTOCOL_VERSION
from gateway.wire.servers import envelope
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_link import Link, answered
from gateway.wire.servers.http_messages import Messages
from gateway.wire.servers.http_request import stateless_lines
from gateway.wire.servers.http_stateless import STATELESS_ERRORS
from gateway.wire.servers.patience import Patience

_NO_VERDICT = frozenset({401, 403, 407, 408, 421, 425, 429})


async def probe(
    link: Link, forced: Era | None, patience: Patience
) -> tuple[Era, JsonObject | None]:
    """The era, and the `server/discover` result of a stateless server. Raises `NotSent`: it is not known."""
    if forced is Era.SESSIONS:
        return forced, None
    try:
        status, answer = await _ask(link, patience)
    except Broken as error:
        raise NotSent(f"it did not say which era it speaks: {error}") from None
    result = answer.get("result")
    if isinstance(result, dict) and (forced or envelope.speaks_stateless(result)):
        return Era.STATELESS, result
    if forced is not None:
        if status in _NO_VERDICT or status >= 500:
            raise NotSent(f"it answered HTTP {status}")
        return forced, None
    return _verdict(status, answer), None


async def _ask(link: Link, patience: Patience) -> tuple[int, JsonObject]:
    """Status and JSON-RPC answer ({} if there is none)."""
    id = next(link.ids)
    headers = stateless_lines(Outbound("server/discover", {}, envelope.GATEWAY, ""))
    reply = await link.post_twice(headers, envelope.discover(id), patience)
    if not 200 <= reply.head.status < 300:
        _, body = await link.refusal(reply, id)
        if 300 <= reply.head.status < 400:
            raise NotSent(answered(reply))
        return reply.head.status, body
    try:
        answer = await Messages(reply, link.limits.max_result).answer_to(id, None)
    except BaseException:
        reply.close()
        raise
    reply.drain()
    return reply.head.status, answer or {}


def _verdict(status: int, answer: JsonObject) -> Era:
    error = envelope.rpc_error(answer.get("error"))
    if error is not None and error.code in STATELESS_ERRORS:
        if error.code == UNSUPPORTED_PROTOCOL_VERSION and not _offers_sessions(error.data):
            raise NotSent("it speaks no protocol version that the gateway speaks")
        return Era.SESSIONS if error.code == UNSUPPORTED_PROTOCOL_VERSION else Era.STATELESS
    if error is None and (status in _NO_VERDICT or status >= 500):
        # A program of one file may well fail at a method it never heard of; no client of its day asked it any.
        hint = " to server/discover; era: sessions does not ask it that" if status == 500 else ""
        raise NotSent(f"it answered HTTP {status}{hint}")
    return Era.SESSIONS


def _offers_sessions(data: object) -> bool:
    """Whether an UnsupportedProtocolVersion names a version of the session era, or none at all."""
    supported = data.get("supported") if isinstance(data, dict) else None
    if not isinstance(supported, list):
        return True
    return any(version in envelope.SESSION_VERSIONS for version in supported)
