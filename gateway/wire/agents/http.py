"""The whole HTTP face: which path goes where, and the server that carries it.

MCP at its endpoints, the metadata that says how to get a token, and two health checks.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn

from gateway.core.model import JsonObject
from gateway.errors import Misconfigured
from gateway.ports import Events, Gate, GrantDesk
from gateway.settings import Settings
from gateway.wire import strict_json
from gateway.wire.agents import challenges, events, notice
from gateway.wire.agents.admitted import Admitted
from gateway.wire.agents.asgi import AsgiApp
from gateway.wire.agents.checks import Callers
from gateway.wire.agents.door import Door
from gateway.wire.agents.events import EventsFace
from gateway.wire.agents.exchange import Exchange, Head, Rejected, Reply
from gateway.wire.agents.grants import GrantsFace
from gateway.wire.agents.heads import at_most
from gateway.wire.agents.knownheads import KnownHeads
from gateway.wire.agents.lane import Lane
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import INVALID_REQUEST, rejected
from gateway.wire.agents.routes import endpoint_at, protected_at
from gateway.wire.agents.stateless import SchemaOf
from gateway.wire.agents.tls import Files, Tls

Ready = Callable[[], tuple[bool, dict[str, Any]]]
"""Whether calls can be served now, and what a person wants to know about it."""

DOORS: Final = 16
"""Times the one listening socket is watched: of each, uvloop takes one new connection in a turn of the loop. By one
door the last of 256 agents that came at once to a busy gateway waited for a second."""

_ALIVE: Final = {"status": "alive"}

log = logging.getLogger("bulkhead.wire")


def build_app(
    gate: Gate,
    settings: Settings,
    ready: Ready,
    schema_of: SchemaOf,
    limits: Limits | None = None,
    desk: GrantDesk | None = None,
    events: Events | None = None,
    give_up: Callable[[], None] = lambda: None,
) -> AsgiApp:
    """Everything agents can reach over HTTP, as one ASGI application. `desk`: where grants are asked for;
    `events`: where security events are told; `give_up`: see `AsgiApp`."""
    most = settings.limits.sessions
    limits = limits or Limits(max_sessions=most, max_sessions_each=max(1, most // 4))
    grants = None if desk is None else GrantsFace(gate, desk, settings, limits)
    told = None if events is None else EventsFace(events, limits)
    face = Face(gate, settings, ready, schema_of, limits, grants, told)
    return AsgiApp(face.serve, face.hush, give_up, face.close, face)


class Face:
    """Routes, behind one check of Host and Origin."""

    def __init__(
        self,
        gate: Gate,
        settings: Settings,
        ready: Ready,
        schema_of: SchemaOf,
        limits: Limits,
        grants: GrantsFace | None,
        events: EventsFace | None,
    ) -> None:
        self._grants = grants
        self._events = events
        self._callers = Callers.of(settings)
        self._door = Door(gate, settings, schema_of, limits)
        self._resource = challenges.Resource.of(settings)
        self._ready = ready
        self.serve_admitted = self._door.serve_admitted

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request."""
        try:
            self._callers.check(exchange.head)
        except Rejected as no:
            await exchange.reply(self._probed(exchange.head) or no.reply)
            return
        try:
            if self._grants is not None and self._grants.serves(exchange.head.path):
                await self._grants.serve(exchange)
                return
            if self._events is not None and exchange.head.path == events.PATH:
                await self._events.serve(exchange)
                return
            endpoint = endpoint_at(exchange.head.path)
            if endpoint is None:
                await exchange.reply(self._page(exchange))
                return
        except Rejected as no:
            await exchange.reply(no.reply)
            return
        await self._door.serve(endpoint, exchange)

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


async def serve(app: AsgiApp, settings: Settings, *, on_ready: Callable[[str], None]) -> None:
    """Serve in the running loop until SIGINT, SIGTERM or cancellation, then stop within a bound.

    `on_ready` gets `host:port` as bound, once connections are accepted. Raises `Misconfigured` when
    the address or its certificate cannot be had. A second signal stops at once.
    """
    files = Files.of(settings)
    tls = None if files is None else Tls(files)
    listener = _bind(settings)
    host, port = listener.getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    server = _Server(app, settings.limits.connections, lambda: on_ready(address), tls)
    doors = [listener, *(listener.dup() for _ in range(1, DOORS))]
    serving = asyncio.ensure_future(server.serve(sockets=doors))
    try:
        with _signals(server):
            await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
    finally:
        for door in doors:
            door.close()


def _bind(settings: Settings) -> socket.socket:
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # The protocol is named because asyncio sets TCP_NODELAY only where it is: without, an answer in
        # two writes waits 40 ms for the reader's delayed ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise Misconfigured(
            f"listen: {settings.listen}: {error.strerror}", settings.where
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        why = "is already in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise Misconfigured(f"listen: {settings.listen} {why}", settings.where) from None
    listener.setblocking(False)
    return listener


_WORK_SECONDS: Final = Limits().shutdown_seconds - 1


class _Server(uvicorn.Server):
    """uvicorn, but signals are ours, streams end when it stops, and somebody hears when it started."""

    def __init__(
        self, app: AsgiApp, connections: int, on_started: Callable[[], None], tls: Tls | None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=at_most(connections, Lane, heads=KnownHeads(app.front)),
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,
                access_log=False,
                log_config=None,
                log_level="error",  # a line per bad request would let strangers fill the log
                timeout_keep_alive=Limits().idle,
                timeout_graceful_shutdown=Limits().shutdown_seconds,
                ssl_context_factory=None if tls is None else lambda *_: tls.context,
            )
        )
        self._app = app
        self._on_started = on_started
        self._tls = tls
        self._renewing: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises a caught signal again when it is done, which would kill the process before
        # the journal and the tool servers are closed.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._tls is not None:
            self._renewing = asyncio.create_task(self._tls.keep())
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        self._app.hush()
        # Work of sessions is no task of uvicorn's: it is ended here, with time left to say what came of it. Who
        # waits for others even then is refused before: past the bound nobody could be told that nothing was done.
        later = asyncio.get_running_loop().call_later
        late = later(_WORK_SECONDS - 1, self._app.give_up), later(_WORK_SECONDS, self._app.close)
        await super().shutdown(sockets)
        for each in late:
            each.cancel()
        self._app.close()


@contextlib.contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    caught: list[signal.Signals] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Only the main thread may; elsewhere whoever started us stops us by cancellation.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
