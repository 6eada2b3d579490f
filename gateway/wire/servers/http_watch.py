"""How a stateless HTTP tool server is listened to: `subscriptions/listen`, and the stream that answers it.

It knows one listen and not what is watched. Spec: 2026-07-28 patterns/subscriptions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.core.model import Era, JsonObject, RpcError
from gateway.ports import Outbound
from gateway.wire.methods import LISTEN
from gateway.wire.servers import envelope
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_link import Link
from gateway.wire.servers.http_messages import Messages
from gateway.wire.servers.http_request import stateless_lines
from gateway.wire.servers.listens import Lost


async def listened(
    link: Link, wanted: JsonObject, hear: Callable[[JsonObject], None]
) -> RpcError | None:
    """See `listens.Carry`."""

    async def heard(message: JsonObject) -> None:
        hear(message)

    try:
        return await _listened(link, wanted, heard)
    except (NotSent, Broken) as error:
        raise Lost(str(error)) from None


async def _listened(
    link: Link, wanted: JsonObject, heard: Callable[[JsonObject], Awaitable[None]]
) -> RpcError | None:
    id = next(link.ids)
    message = Outbound(LISTEN, {"notifications": wanted}, envelope.GATEWAY, principal="")
    body = envelope.request(message, id, Era.STATELESS)
    reply = await link.post(stateless_lines(message), body, link.standing())
    try:
        if not 200 <= reply.head.status < 300:
            outcome, _ = await link.refusal(reply, id)
            return outcome.error
        answer = await Messages(reply, link.limits.max_result).answer_to(id, heard)
        return envelope.rpc_error(answer["error"]) if answer and "error" in answer else None
    finally:
        reply.close()
