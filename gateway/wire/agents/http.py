"""The server that carries the HTTP face (face.py): its socket, its engine, its start, and its end within a bound."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from gateway.errors import Misconfigured
from gateway.settings import Settings
from gateway.wire.agents.face import Face
from gateway.wire.agents.heads import at_most
from gateway.wire.agents.knownheads import KnownHeads
from gateway.wire.agents.lane import Lane
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.tls import Files, Tls

DOORS: Final = 16
"""Times the one listening socket is watched: of each, uvloop takes one new connection in a turn of the loop. By one
door the last of 256 agents that came at once to a busy gateway waited for a second."""


async def serve(face: Face, settings: Settings, *, on_ready: Callable[[str], None]) -> None:
    """Serve in the running loop until SIGINT, SIGTERM, SIGHUP or cancellation, then stop within a bound.

    `on_ready` gets `host:port` as bound, once connections are accepted. Raises `Misconfigured` when
    the address or its certificate cannot be had. A second signal stops at once.
    """
    files = Files.of(settings)
    tls = None if files is None else Tls(files)
    listener = _bind(settings)
    host, port = listener.getsockname()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    server = _Server(face, settings.limits.connections, lambda: on_ready(address), tls)
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
        self, face: Face, connections: int, on_started: Callable[[], None], tls: Tls | None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                face,
                http=at_most(connections, Lane, heads=KnownHeads(face)),
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
        self._face = face
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
        self._face.hush()
        # Work of sessions is no task of uvicorn's: it is ended here, with time left to say what came of it. Who
        # waits for others even then is refused before: past the bound nobody could be told that nothing was done.
        later = asyncio.get_running_loop().call_later
        late = later(_WORK_SECONDS - 1, self._face.give_up), later(_WORK_SECONDS, self._face.close)
        await super().shutdown(sockets)
        for each in late:
            each.cancel()
        self._face.close()


@contextlib.contextmanager
def _signals(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    caught: list[signal.Signals] = []
    # A terminal that is closed says SIGHUP: that is no reason to leave calls in doubt. Unless nohup has it ignored.
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    for number in (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else [])):
        # Only the main thread may; elsewhere whoever started us stops us by cancellation.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
