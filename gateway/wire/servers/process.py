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
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from threading import Thread
from typing import Final

from gateway.core.credential import Credential
from gateway.errors import Misconfigured
from gateway.finishing import to_its_end
from gateway.settings import ServerSettings
from gateway.values import Value
from gateway.wire.servers.guarding import GUARD
from gateway.wire.servers.stdio_lines import Heard, Lines, Overlong
from gateway.wire.servers.stdio_pipes import Input, Output

STDERR_LINES: Final = 20
STDERR_LINE_BYTES: Final = 2_000
LAST_WORDS: Final = 350
"""Characters of its last lines that are told: who keeps 500 of a message keeps their end, too."""
EOF_PATIENCE: Final = 2.0
"""Seconds a server has to leave after its input is closed; then again after SIGTERM."""
END_PATIENCE: Final = 1.0
"""Seconds between the end of its output and its exit, or the other way round."""
HIGH_WATER: Final = 256 * 1024


class Command(Value):
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
        raise Misconfigured(
            f"servers.{name}.cwd: {settings.cwd!r} is not a directory", settings.where
        )
    program = settings.command[0]
    wanted = os.path.join(settings.cwd or "", program) if "/" in program else program
    found = shutil.which(wanted, path=environment.get("PATH", os.defpath))
    if found is None:
        raise Misconfigured(
            f"servers.{name}.command: {program!r} is not an executable here",
            settings.where,
            hint="give a full path, or let the server inherit a PATH that has it",
        )
    argv = (os.path.abspath(found), *settings.command[1:])
    return Command(name, argv, environment, settings.cwd)


class Process:
    """A running tool server. Made by `start`; `stop` must be awaited, also after it died by itself."""

    def __init__(
        self,
        name: str,
        pid: int,
        max_line: int,
        attach: Callable[[Process], Heard],
        hide: Callable[[str], str] | None = None,
    ) -> None:
        self.pid = pid
        """Also the id of its process group."""
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        """How it ended, in words: set when it exits or closes its input or output, whichever is first."""
        self.is_over = False
        """It was stopped, and nothing of it is left: what closed its output may still be at work."""
        self.exited: asyncio.Future[int] = loop.create_future()
        """Its exit status; below 0: by which signal it was killed."""
        self._output_closed = False
        self.stopping = False
        """It is being ended, and its input is closed."""
        self._ending: asyncio.Task[None] | None = None
        self._how = "it closed its standard output"
        self._room = asyncio.Event()
        self._room.set()
        self._lines = Lines(max_line)
        self._errors = Lines(STDERR_LINE_BYTES)
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._hide = hide
        self._log = logging.getLogger(f"bulkhead.server.{name}")
        self._stdin: asyncio.WriteTransport
        self._input: Input
        self._outputs: list[asyncio.BaseTransport] = []
        self._on_line = attach(self)

    def write(self, line: bytes) -> bool:
        """Give it one line (newline included) now. False if it is gone: then nothing was given."""
        if self.ended.done() or self._stdin.is_closing():
            return False
        self._stdin.write(line)
        return True

    def has_room(self) -> bool:
        """It has read what it was given, but for `HIGH_WATER` bytes."""
        return self._room.is_set()

    async def over(self) -> None:
        """Returns when it has ended. Who cannot write to it any more is told of that before how is known."""
        await asyncio.wait([self.ended])

    async def room(self) -> None:
        """Returns when it has room, or has ended."""
        await self._room.wait()

    @property
    def last_words(self) -> str:
        """The last lines it wrote to standard error, escaped, without the middle if they are long: Node begins with the
        error, Python ends with it. None is cut: part of a secret would not be found."""
        lines = list(self._stderr)
        while len(lines) > 1 and sum(map(len, lines)) > LAST_WORDS:
            lines.pop((len(lines) - 1) // 2)
        if len(lines) < len(self._stderr):
            lines.insert(len(lines) // 2, "...")
        return "\n".join(lines)

    def shown(self, line: bytes | Overlong) -> str:
        """A line as people may see it. Where one is cut a secret may be cut too, and would not be found."""
        if isinstance(line, Overlong):
            return "(a long line)" if self._hide else escaped(line.start + b" ... " + line.end)
        return self._hide(escaped(line)) if self._hide else escaped(line)

    async def stop(self, patience: float = EOF_PATIENCE) -> None:
        """End it and every process it started, once: all who ask wait for the same end. Takes at most
        about four times `patience` seconds."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._stop(patience))
        await asyncio.shield(self._ending)

    async def _stop(self, patience: float) -> None:
        from gateway.wire.servers import offspring

        self.stopping = True
        tree = offspring.of(self.pid)
        if not self._stdin.is_closing():
            self._stdin.close()
        if not await self._gone(patience):
            tree |= offspring.of(self.pid)
            self._signal(signal.SIGTERM)
            offspring.tell(tree, signal.SIGTERM)
            await self._gone(patience)
        tree |= offspring.of(self.pid)
        self._signal(signal.SIGKILL)
        offspring.tell(tree, signal.SIGKILL)
        self.is_over = await self._gone(patience) and await offspring.gone(tree, patience)
        GUARD.forget(self.pid)
        await self._close()

    async def _close(self) -> None:
        if not self._input.lost:
            self._stdin.abort()
        for output in self._outputs:
            output.close()
        await asyncio.sleep(0)  # they are closed in a turn of their own

    async def _gone(self, patience: float) -> bool:
        await asyncio.wait([self.exited], timeout=patience)
        return self.exited.done()

    def _signal(self, signum: signal.Signals) -> None:
        """To the whole group; descendants that left it are told each by itself."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signum)

    async def _connect(self, popen: subprocess.Popen[bytes]) -> None:
        loop = asyncio.get_running_loop()
        self._stdin, self._input = await loop.connect_write_pipe(
            lambda: Input(self._room, self._input_lost), popen.stdin
        )
        self._stdin.set_write_buffer_limits(high=HIGH_WATER)
        for pipe, heard, closed in (
            (popen.stdout, self._output, self._output_lost),
            (popen.stderr, self._error, lambda: None),  # nobody minds when it is closed
        ):
            reading, _ = await loop.connect_read_pipe(partial(Output, heard, closed), pipe)
            self._outputs.append(reading)

    def _output(self, chunk: bytes) -> None:
        for line in self._lines.feed(chunk):
            self._on_line(line)

    def _error(self, chunk: bytes) -> None:
        for line in self._errors.feed(chunk):
            self._heard(line)

    def _heard(self, line: bytes | Overlong) -> None:
        text = self.shown(line)
        self._stderr.append(text)
        self._log.info("%s", text)

    def _input_lost(self) -> None:
        if not self.stopping and not self.exited.done():
            self._how = "it closed its standard input"
            self._end_soon()

    def _output_lost(self) -> None:
        self._output_closed = True
        self._end_soon()

    def _exit(self, code: int) -> None:
        how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
        self._how = f"its process ended, {how}"
        self.exited.set_result(code)
        self._end_soon()

    def _end_soon(self) -> None:
        """At once when it has exited and its output is read to the end; else the rest may yet follow:
        an answer still in the pipe, or the exit status. A child of its own may hold the pipe open."""
        if self._output_closed and self.exited.done():
            self._end()
        else:
            asyncio.get_running_loop().call_later(END_PATIENCE, self._end)

    def _end(self) -> None:
        self._room.set()
        if not self.ended.done():
            self.ended.set_result(self._how)


async def start(
    what: Command,
    max_line: int,
    attach: Callable[[Process], Heard],
    credential: Credential | None = None,
) -> Process:
    """Start it. `attach` gets it before it is read, and gives what gets each line of its output. Raises `OSError`.

    `credential` goes into its environment, and out of what it writes to standard error.
    By `subprocess` and not by the event loop: uvloop lets a child inherit every descriptor the gateway
    was itself started with, and a second copy of the pipes, so that their end is not seen.
    """
    from gateway.wire.servers import offspring  # noqa: F401 - now, and not when it is to be stopped

    pipe = subprocess.PIPE
    popen = subprocess.Popen(  # noqa: ASYNC220 - milliseconds, and it never waits
        what.argv,
        env={**what.environment, **(credential.environment if credential else {})},
        cwd=what.cwd,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )
    GUARD.watch(popen.pid)
    hide = credential.hide if credential else None
    process = Process(what.name, popen.pid, max_line, attach, hide)
    loop = asyncio.get_running_loop()
    Thread(target=_reap, args=(popen, loop, process._exit), daemon=True).start()
    try:
        await to_its_end(process._connect(popen))
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
        GUARD.forget(popen.pid)
        if isinstance(error, asyncio.CancelledError):
            await process._gone(EOF_PATIENCE)
            await process._close()
        raise
    return process


def _reap(
    popen: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, tell: Callable[[int], None]
) -> None:
    """Waits for the exit, in a thread of its own: on every system, and whatever the event loop."""
    code = popen.wait()
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody minds any more
        loop.call_soon_threadsafe(tell, code)


def escaped(raw: bytes) -> str:
    """Bytes of a server as text that cannot move a terminal's cursor or forge a log line."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
