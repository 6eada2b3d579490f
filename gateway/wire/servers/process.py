"""One tool server's process: started alone in its own group, read in lines, ended with all its children.

It knows processes, pipes and bytes, and nothing of JSON-RPC. Laws:
1. The environment is exactly what the settings say; nothing of the gateway's leaks in.
2. Whatever way it ends, nothing of its tree is left: standard input closed, SIGTERM, SIGKILL, each
   wait bounded; and if the gateway itself is killed, the guard kills the group (stdio_guard.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import psutil

from gateway.errors import Misconfigured
from gateway.settings import ServerSettings
from gateway.wire.servers.stdio_lines import Lines, Overlong

STDERR_LINES: Final = 20
STDERR_LINE_BYTES: Final = 2_000
EOF_PATIENCE: Final = 2.0
"""Seconds a server has to leave after its input is closed; then again after SIGTERM."""
END_PATIENCE: Final = 0.25
"""Seconds between the end of its output and its exit, or the other way round."""
HIGH_WATER: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: `argv[0]` is an absolute path."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str | None


def command(name: str, settings: ServerSettings) -> Command:
    """The command of a stdio server, looked up without starting it. Raises `Misconfigured`."""
    assert settings.command is not None
    rule = settings.environment
    environment = {key: os.environ[key] for key in rule.inherit if key in os.environ} | rule.set
    if settings.cwd is not None and not os.path.isdir(settings.cwd):
        raise Misconfigured(f"servers.{name}.cwd: {settings.cwd!r} is not a directory")
    program = settings.command[0]
    wanted = os.path.join(settings.cwd or "", program) if "/" in program else program
    found = shutil.which(wanted, path=environment.get("PATH", os.defpath))
    if found is None:
        raise Misconfigured(
            f"servers.{name}.command: {program!r} is not an executable here",
            hint="give a full path, or let the server inherit a PATH that has it",
        )
    argv = (os.path.abspath(found), *settings.command[1:])
    return Command(name, argv, environment, settings.cwd)


class Process(asyncio.SubprocessProtocol):
    """A running tool server. Made by `start`; `stop` must be awaited, also after it died by itself."""

    def __init__(
        self, name: str, max_line: int, on_line: Callable[[bytes | Overlong], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        """How it ended, in words: set when it exits or closes its output, whichever is first."""
        self._exited: asyncio.Future[None] = loop.create_future()
        self._output_closed = False
        self._room = asyncio.Event()
        self._room.set()
        self._lines = Lines(max_line)
        self._errors = Lines(STDERR_LINE_BYTES)
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._on_line = on_line
        self._log = logging.getLogger(f"bulkhead.server.{name}")
        self._process: asyncio.SubprocessTransport
        self._stdin: asyncio.WriteTransport
        self.pid = 0

    def write(self, line: bytes) -> bool:
        """Give it one line (newline included) now. False if it is gone: then nothing was given."""
        if self.ended.done() or self._stdin.is_closing():
            return False
        self._stdin.write(line)
        return True

    async def room(self) -> None:
        """Returns when it has read what it was given, but for `HIGH_WATER` bytes."""
        await self._room.wait()

    @property
    def last_words(self) -> str:
        """The last lines it wrote to standard error, escaped."""
        return "\n".join(self._stderr)

    async def stop(self, patience: float = EOF_PATIENCE) -> None:
        """End it and every process it started. Takes at most about three times `patience` seconds."""
        tree = _descendants(self.pid)
        if not self._stdin.is_closing():
            self._stdin.close()
        if not await self._gone(patience):
            tree |= _descendants(self.pid)
            self._signal(signal.SIGTERM, tree)
            await self._gone(patience)
        self._signal(signal.SIGKILL, tree | _descendants(self.pid))
        await self._gone(patience)
        _guard.forget(self.pid)
        self._process.close()

    async def _gone(self, patience: float) -> bool:
        await asyncio.wait([self._exited], timeout=patience)
        return self._exited.done()

    def _signal(self, signum: signal.Signals, tree: set[psutil.Process]) -> None:
        """To the whole group, and to those descendants that left it. psutil never hits a reused pid."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signum)
        for process in tree:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signum)

    # asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast(asyncio.SubprocessTransport, transport)
        self._stdin = cast(asyncio.WriteTransport, self._process.get_pipe_transport(0))
        self._stdin.set_write_buffer_limits(high=HIGH_WATER)
        self.pid = self._process.get_pid()
        _guard.watch(self.pid)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            for line in self._lines.feed(data):
                self._on_line(line)
        else:
            for line in self._errors.feed(data):
                self._heard(line)

    def _heard(self, line: bytes | Overlong) -> None:
        raw = line if isinstance(line, bytes) else line.start + b" ... " + line.end
        text = escaped(raw)
        self._stderr.append(text)
        self._log.info("%s", text)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._output_closed = True
            self._end_soon("it closed its standard output")

    def process_exited(self) -> None:
        code = self._process.get_returncode()
        how = f"killed by signal {-code}" if code and code < 0 else f"exit status {code}"
        if not self._exited.done():
            self._exited.set_result(None)
        self._end_soon(f"its process ended, {how}")

    def _end_soon(self, how: str) -> None:
        """At once when it has exited and its output is read to the end; else the other may yet follow:
        an answer still in the pipe, or the exit status. A child of its own may hold the pipe open."""
        if self._output_closed and self._exited.done():
            self._end(how)
        else:
            asyncio.get_running_loop().call_later(END_PATIENCE, self._end, how)

    def _end(self, how: str) -> None:
        self._room.set()
        if not self.ended.done():
            self.ended.set_result(how)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()


async def start(
    what: Command, max_line: int, on_line: Callable[[bytes | Overlong], None]
) -> Process:
    """Start it. `on_line` gets every line of its standard output, in order. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    _, process = await loop.subprocess_exec(
        lambda: Process(what.name, max_line, on_line),
        *what.argv,
        env=dict(what.environment),
        cwd=what.cwd,
        start_new_session=True,
    )
    return process


def escaped(raw: bytes) -> str:
    """Bytes of a server as text that cannot move a terminal's cursor or forge a log line."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _descendants(pid: int) -> set[psutil.Process]:
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return set()


class _Guard:
    """Our end of the guard's pipe. Started with the first server, ends with the gateway's process."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self._groups: set[int] = set()

    def watch(self, group: int) -> None:
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        try:
            if self._pipe is None:
                raise BrokenPipeError
            os.write(self._pipe, line.encode())
        except BrokenPipeError:
            self._start()

    def _start(self) -> None:
        """A guard that knows every group. It is in a session of its own: Ctrl-C does not reach it."""
        if self._pipe is not None:
            os.close(self._pipe)
        theirs, self._pipe = os.pipe()
        program = str(Path(__file__).with_name("stdio_guard.py"))
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", program],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,
        )
        os.close(theirs)
        os.write(self._pipe, "".join(f"+{group}\n" for group in self._groups).encode())


_guard: Final = _Guard()
