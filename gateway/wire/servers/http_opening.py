"""A session being opened at an HTTP tool server: what is offered, what is agreed on.

It knows one session, and not whose. Spec: 2025-11-25 basic/lifecycle, basic/transports.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, JsonObject
from gateway.wire.servers import envelope
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_exchange import Session
from gateway.wire.servers.http_link import Link, no_session
from gateway.wire.servers.http_messages import Messages
from gateway.wire.servers.patience import Patience

_SESSION_ID: Final = re.compile(r"[\x21-\x7e]{1,1024}")


async def opened(
    link: Link, client: ClientFacts, patience: Patience, credential: Credential | None
) -> tuple[Session, JsonObject]:
    """A session for this client, and what the server says of itself in it. Raises `NotSent`."""
    id = next(link.ids)
    hello = envelope.initialize(id, client)
    hello["params"]["protocolVersion"] = offered(client)
    try:
        reply = await link.post_twice(b"", hello, patience, credential)
        if not 200 <= reply.head.status < 300:
            outcome, _ = await link.refusal(reply, id, credential)
            raise no_session(reply.head.status, envelope.said(outcome, credential))
        answer = await Messages(reply, link.limits.max_result).answer_to(id, None)
        reply.drain()
        session, about = _agreed(link, answer, reply.header("mcp-session-id"), credential)
        initialized = envelope.notification("notifications/initialized")
        (await link.post(session.headers, initialized, patience, credential)).drain()
    except Broken as error:
        raise NotSent(f"it opened no session: {error}") from None
    return session, about


def offered(client: ClientFacts) -> str:
    """The agent's own version, or the newest of the era for an agent of the other one."""
    known = client.protocol_version in envelope.SESSION_VERSIONS
    return client.protocol_version if known else envelope.SESSION_VERSIONS[0]


def _agreed(
    link: Link, answer: JsonObject | None, id: str, credential: Credential | None
) -> tuple[Session, JsonObject]:
    outcome = envelope.outcome(answer or {}, link.name)
    if outcome.result is None:
        raise NotSent(f"it opened no session: {envelope.said(outcome, credential)}")
    if (version := envelope.agreed_version(outcome.result)) is None:
        raise NotSent("it speaks no protocol version that the gateway speaks")
    if id and not _SESSION_ID.fullmatch(id):
        raise NotSent("its session id is not visible ASCII")
    logs = "logging" in (outcome.result.get("capabilities") or {})
    return Session(id or None, version, logs=logs), outcome.result
