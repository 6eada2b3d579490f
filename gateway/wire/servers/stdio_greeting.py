"""Which protocol era does this stdio server speak, and what does it say of itself?

`server/discover` first; any error, or silence, and it is greeted with `initialize` (2026-07-28
basic/versioning). A server that exits on the probe is the caller's to start again: it is then an older
one, and remembered as such. It knows the two first messages of the protocol and nothing of processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol

from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, Era, JsonObject, Outcome
from gateway.sdk import SERVER_INFO_META_KEY
from gateway.values import Value
from gateway.wire.servers import envelope

PROBE_SECONDS: Final = 3.0
"""Longest silence after the probe. A slow starter loses nothing: it then finds both messages waiting."""
FOREVER: Final = 86_400.0
"""As long as the caller lets it."""


class Asks(Protocol):
    """The part of a conversation a greeting needs."""

    async def ask(self, message: Callable[[int], JsonObject], seconds: float) -> Outcome: ...
    def say(self, message: JsonObject) -> None: ...


class NoGreeting(Exception):
    """It speaks no era we do. The message says what it answered."""


class Greeting(Value):
    """What a server said of itself."""

    era: Era
    version: str
    server_info: JsonObject | None
    capabilities: JsonObject
    instructions: str | None


async def greet(
    server: Asks,
    era: Literal["auto", "sessions", "stateless"],
    client: ClientFacts | None,
    credential: Credential | None,
) -> Greeting:
    """Settle the era. `client`: who it is told of; None tells it of the gateway, which answers no questions.
    `credential`: what it was started with, and may say in its refusal.

    Raises `NoGreeting`, `TimeoutError` (the caller's bound), `Gone`."""
    if era == "sessions":
        return await _initialize(server, client, credential)
    if era == "stateless":
        return await _discover(server, FOREVER)
    try:
        return await _discover(server, PROBE_SECONDS)
    except TimeoutError:
        silent = True
    except NoGreeting:
        silent = False
    try:
        return await _initialize(server, client, credential)
    except NoGreeting:
        if not silent:
            raise
        # It was only slow to start, and it is one of those that know no handshake.
        return await _discover(server, FOREVER)


async def _discover(server: Asks, seconds: float) -> Greeting:
    answer = await server.ask(envelope.discover, seconds)
    result = answer.result
    if result is None or not envelope.speaks_stateless(result):
        raise NoGreeting(f"it does not offer {envelope.STATELESS_VERSION}")
    meta = result.get("_meta")
    info = meta.get(SERVER_INFO_META_KEY) if isinstance(meta, dict) else None
    return _greeting(Era.STATELESS, envelope.STATELESS_VERSION, info, result)


async def _initialize(
    server: Asks, client: ClientFacts | None, credential: Credential | None
) -> Greeting:
    told = client or envelope.GATEWAY
    answer = await server.ask(lambda id: envelope.initialize(id, told), FOREVER)
    if answer.result is None:
        raise NoGreeting(f"it refused initialize: {envelope.said(answer, credential)}")
    result = answer.result
    version = envelope.agreed_version(result)
    if version is None:
        raise NoGreeting(f"it answered initialize with {str(result.get('protocolVersion'))[:40]!r}")
    server.say(envelope.notification("notifications/initialized"))
    return _greeting(Era.SESSIONS, version, result.get("serverInfo"), result)


def _greeting(era: Era, version: str, info: object, result: JsonObject) -> Greeting:
    capabilities, instructions = result.get("capabilities"), result.get("instructions")
    return Greeting(
        era,
        version,
        info if isinstance(info, dict) else None,
        capabilities if isinstance(capabilities, dict) else {},
        instructions if isinstance(instructions, str) else None,
    )
