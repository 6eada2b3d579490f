"""What agents reach over HTTP: which path goes where, behind one check of Host and Origin.

MCP at its endpoints, the metadata that says how to get a token, grants, security events, and two health checks. It
knows no socket: the server that carries it is http.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from gateway.core.model import JsonObject
from gateway.grant_ports import GrantDesk
from gateway.ports import Events, Gate
from gateway.settings import Settings
from gateway.wire import strict_json
from gateway.wire.agents import challenges, notice
from gateway.wire.agents.admitted import Admitted
from gateway.wire.agents.asgi import AsgiExchange
from gateway.wire.agents.checks import Callers
from gateway.wire.agents.door import Door
from gateway.wire.agents.events import PATH, EventsFace
from gateway.wire.agents.exchange import Exchange, Gone, Head, Rejected, Reply
from gateway.wire.agents.grants import GrantsFace
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import INVALID_REQUEST, rejected
from gateway.wire.agents.routes import endpoint_at, protected_at
from gateway.wire.agents.stateless import Advertised

Ready = Callable[[], tuple[bool, dict[str, Any]]]
"""Whether calls can be served now, and what a person wants to know about it."""

_ALIVE: Final = {"status": "alive"}


class Face:
    """Everything agents can reach over HTTP, as one ASGI application."""

    def __init__(
        self,
        gate: Gate,
        settings: Settings,
        ready: Ready,
        catalogue: Advertised,
        limits: Limits | None = None,
        desk: GrantDesk | None = None,
        events: Events | None = None,
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`desk`: where grants are asked for; `events`: where security events are told."""
        most = settings.limits.sessions
        limits = limits or Limits(max_sessions=most, max_sessions_each=max(1, most // 4))
        self._grants = None if desk is None else GrantsFace(gate, desk, settings, limits)
        self._events = None if events is None else EventsFace(events, limits)
        self._callers = Callers.of(settings)
        self._door = Door(gate, settings, catalogue, limits)
        self._resource = challenges.Resource.of(settings)
        self._ready = ready
        self.serve_admitted = self._door.serve_admitted
        self.give_up = give_up
        """Has every call refused that still waits for others to end, while it can be told."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one `http` scope. The server behind it makes no others."""
        await self.serve(AsgiExchange(scope, receive, send))

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request."""
        try:
            self._callers.check(exchange.head)
        except Rejected as no:
            await exchange.reply(self._probed(exchange.head) or no.reply)
            return
        endpoint = endpoint_at(exchange.head.path)
        if endpoint is not None:
            await self._door.serve(endpoint, exchange)
            return
        try:
            await exchange.reply(await self._beside(exchange))
        except Rejected as no:
            await exchange.reply(no.reply)
        except Gone:
            return

    async def _beside(self, exchange: Exchange) -> Reply:
        """The answer to what is no MCP. Raises `Rejected`, `Gone`."""
        path = exchange.head.path
        if self._grants is not None and self._grants.serves(path):
            return await self._grants.answer(exchange)
        if self._events is not None and path == PATH:
            return await self._events.answer(exchange)
        return self._page(exchange)

    def admits(self, head: Head) -> Admitted | None:
        """See `knownheads.Front`."""
        endpoint = endpoint_at(head.path)
        if endpoint is None or head.method != "POST":
            return None
        try:
            self._callers.check(head)
            return self._door.admit(endpoint, head)
        except Rejected:
            return None

    def hush(self) -> None:
        """End every listen and standing stream. Calls go on."""
        self._door.end_listens()
        for session in self._door.sessions:
            session.hush()

    def close(self) -> None:
        """End every session and every listen: their streams end and let the server stop."""
        self._door.end_listens()
        for session in self._door.sessions:
            self._door.sessions.end(session)

    def _page(self, exchange: Exchange) -> Reply:
        path = exchange.head.path
        about = path.removeprefix(challenges.METADATA_PATH)
        endpoint = protected_at(about) if about != path else None
        told = notice.page(path)
        if endpoint is None and told is None and path not in ("/healthz", "/readyz"):
            raise rejected(404, INVALID_REQUEST, "nothing is served at this path")
        if exchange.head.method not in ("GET", "HEAD"):
            raise rejected(405, INVALID_REQUEST, "use GET", headers=(("allow", "GET"),))
        if endpoint is not None:
            return challenges.metadata(endpoint, self._resource)
        if told is not None:
            return told
        return self._health() if path == "/readyz" else _json(200, _ALIVE)

    def _probed(self, head: Head) -> Reply | None:
        """What a balancer or a kubelet asks for by the bare address, or by none: it hears the status, and that is all.
        None for every other request under a name that is not ours."""
        if head.method not in ("GET", "HEAD") or head.get("origin") or len(head.every("host")) > 1:
            return None
        if head.path == "/healthz":
            return _json(200, _ALIVE)
        if head.path == "/readyz":
            ready, _ = self._ready()
            return _json(200 if ready else 503, {"ready": ready})
        return None

    def _health(self) -> Reply:
        ready, facts = self._ready()
        return _json(200 if ready else 503, {"ready": ready, **facts})


def _json(status: int, value: JsonObject) -> Reply:
    return Reply(status, strict_json.dumps(value), (("cache-control", "no-store"),))
