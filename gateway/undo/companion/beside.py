"""A companion served from within the process whose state it puts back: over a socket only its own user can open.

`serve_beside` listens in a thread of its own; `join` is the command the gateway starts, and carries bytes
between standard input and output and that socket. It knows no tool and no record.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import anyio
from mcp.server.stdio import stdio_server

from gateway.errors import Misconfigured
from gateway.undo.changes import PROCESS
from gateway.undo.companion.base import Operation, server

WAIT_SECONDS: Final = 8.0
"""So long `join` waits for a server that is still starting: less than limits.connect, or nobody would hear why not."""
_CHUNK: Final = 65_536

Place = str | os.PathLike[str]


def serve_beside(place: Place, name: str, version: str, operations: Sequence[Operation]) -> None:
    """Returns at once, also when another process serves there: whose state agents work on was there first.

    Raises `OSError` when there is something that is no socket."""
    path = os.fspath(place)
    if _is_served(path):
        return
    listening = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listening.bind(path)
    finally:
        os.umask(mask)
    listening.listen()
    made = server(name, version, operations, {PROCESS: os.getsid(0)})
    threading.Thread(target=_accept, args=(listening, made), daemon=True, name=name).start()


def join(place: Place) -> None:
    """Carry until one side ends. Raises `Misconfigured` when nobody listens there."""
    held = _connected(os.fspath(place))
    if held is None:
        raise Misconfigured(f"{os.fspath(place)}: nobody listens there")
    threading.Thread(target=_carry_in, args=(held,), daemon=True).start()
    while chunk := held.recv(_CHUNK):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _is_served(path: str) -> bool:
    """Does somebody listen there? A socket nobody answers at any more is taken away."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(f"{path}: is there, and is no socket")
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return False
    return True


def _accept(listening: socket.socket, made: Any) -> None:
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=anyio.run, args=(_serve, connection, made), daemon=True).start()


async def _serve(connection: socket.socket, made: Any) -> None:
    with (
        connection,
        connection.makefile("r", encoding="utf-8", newline="\n") as lines,
        connection.makefile("w", encoding="utf-8", newline="\n") as answers,
    ):
        async with stdio_server(anyio.wrap_file(lines), anyio.wrap_file(answers)) as (read, write):
            await made.run(read, write, made.create_initialization_options())


def _connected(path: str) -> socket.socket | None:
    until = time.monotonic() + WAIT_SECONDS
    while True:
        held = socket.socket(socket.AF_UNIX)
        try:
            held.connect(path)
            return held
        except OSError:
            held.close()
        if time.monotonic() > until:
            return None
        time.sleep(0.05)


def _carry_in(held: socket.socket) -> None:
    while chunk := os.read(sys.stdin.fileno(), _CHUNK):
        held.sendall(chunk)
    held.shutdown(socket.SHUT_WR)
