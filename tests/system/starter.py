"""Runs Python programs as forks of one process that has loaded the gateway and the MCP SDK already.

Each is a process like any other: its own directory, environment, streams, signals and end. Only loading
Python and all that, which takes longer than most programs here, is not done again for each.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

from tests.system import shim

ROOT: Final = Path(__file__).resolve().parents[2]
BIN: Final = Path(sys.executable).parent
LOADED: Final = ("mcp.server.stdio", "mcp_server_git.server", "mcp_server_time.server")
"""Besides every command of the gateway's."""


class Started:
    """What a test needs of `subprocess.Popen`, of a process the starter started."""

    def __init__(self, conversation: socket.socket, words: Sequence[str]) -> None:
        self._conversation = conversation
        self.args = words
        self.pid = shim.number(conversation)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if self.returncode is None and _speaking(0, self._conversation.fileno()):
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            if timeout is not None and not _speaking(timeout, self._conversation.fileno()):
                raise subprocess.TimeoutExpired(list(self.args), timeout)
            self.returncode = shim.number(self._conversation)
            self._conversation.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = Started | subprocess.Popen[bytes]


def start(words: Sequence[str], cwd: Path, out: IO[Any], err: IO[Any]) -> Started:
    """`python WORDS`, begun."""
    with open(os.devnull, "rb") as nothing:
        streams = [one.fileno() for one in (nothing, out, err)]
        return Started(shim.ask(_place(), list(words), str(cwd), streams), words)


def run(words: Sequence[str], cwd: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    """`python WORDS`, whatever comes of it."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = start(words, cwd, out, err)
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        said = [os.pread(one.fileno(), 1 << 30, 0).decode() for one in (out, err)]
    return subprocess.CompletedProcess(list(words), status, *said)


@cache
def programs() -> Path:
    """A directory with `python` and what else is installed here for Python, all of which have the starter do it."""
    place = _place()
    into = Path(place).parent
    for path in (BIN / "python", BIN / "bulkhead", *BIN.glob("mcp-server-*")):
        first = [] if path.name == "python" else [str(path)]
        text = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        text += f"import shim; shim.stand_in({place!r}, {first!r} + sys.argv[1:])\n"
        (into / path.name).write_text(f"#!{sys.executable} -IS\n{text}")
        (into / path.name).chmod(0o755)
    return into


def program(name: str) -> str:
    """One of them, for the command of a tool server."""
    return str(programs() / name)


def python() -> str:
    """Stands for `sys.executable` there."""
    return program("python")


@cache
def _place() -> str:
    """Where this process's starter listens, with all it loads loaded: who waits for a program waits ten seconds
    for its first word. It ends when this process does."""
    place = str(Path(tempfile.mkdtemp(prefix="starter-"), "socket"))
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(place)
    listening.listen(64)
    ours, _ = os.pipe()  # open as long as this process is
    loaded, told = os.pipe()
    with listening:
        given = (listening.fileno(), ours, told)
        command = [sys.executable, "-m", __name__, *map(str, given), place]
        process = subprocess.Popen(
            command, cwd=ROOT, pass_fds=given, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        atexit.register(_end, process, Path(place).parent)
    os.close(ours)
    os.close(told)
    with open(loaded, "rb") as news:
        assert news.read(), "the starter did not start"
    return place


def _end(process: subprocess.Popen[bytes], place: Path) -> None:
    process.kill()
    process.wait()
    shutil.rmtree(place)


def _speaking(seconds: float | None, *descriptors: int) -> list[int]:
    """Those that can be read, or have ended. Not `select.select`: some test has a thousand files open."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [found for found, _ in poll.poll(None if seconds is None else seconds * 1000)]


def _load() -> None:
    cli = importlib.import_module("gateway.cli")
    for name in cli.COMMANDS:
        importlib.import_module(f"gateway.cli.{name.replace('-', '_')}")
    for name in LOADED:
        importlib.import_module(name)


def _job(conversation: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What is asked for there, and the streams it is to have."""
    text, streams, _, _ = socket.recv_fds(conversation, 1 << 20, 3)
    while not text.endswith(b"\n"):
        text += conversation.recv(1 << 20)
    return json.loads(text), streams


def _mind(conversation: socket.socket) -> bool:
    """Forks: True in the new process. The other tells of its beginning and its end, and ends with it.

    Who asked may go away: the new process is killed then.
    """
    ends, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    child = os.fork()
    if not child:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(ends)
        os.close(woken)
        return True
    for number in range(3):
        os.close(number)
    conversation.sendall(shim.NUMBER.pack(child))
    status = _ended(child, ends, conversation)
    try:
        conversation.sendall(shim.NUMBER.pack(os.waitstatus_to_exitcode(status)))
    finally:
        os._exit(0)


def _ended(child: int, news: int, conversation: socket.socket) -> int:
    """Its wait status, once it has ended: not when it was stopped, of which the same signal tells."""
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        if news in _speaking(None, news, conversation.fileno()):
            os.read(news, 1 << 10)
        else:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]


def _run(job: dict[str, Any]) -> None:
    """The program, ended as Python ends one but for taking apart what was loaded, which takes longer than most
    of them run. Returns, or raises, where Python has something to say about the end."""
    status: Any = None
    try:
        _become(**job)
    except SystemExit as end:
        status = end.code
    if not isinstance(status, int | None):
        raise SystemExit(status)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((status or 0) & 0xFF)


def _become(words: list[str], cwd: str, env: dict[str, str]) -> None:
    """The program, as Python would run it."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.stdin = open(0, closefd=False)
    sys.stdout = open(1, "w", buffering=1, closefd=False)
    sys.stderr = open(2, "w", buffering=1, closefd=False)
    if words[0] == "-m":
        sys.argv, sys.path[0] = words[1:], cwd
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = words, str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name="__main__")


def main() -> None:
    """Start what is asked for, until nobody can ask any more."""
    listening, asker = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    _load()
    gc.freeze()
    with open(int(sys.argv[3]), "wb") as told:
        told.write(b"loaded")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while asker not in _speaking(None, listening.fileno(), asker):
        conversation, _ = listening.accept()
        if os.fork():
            conversation.close()
            continue
        listening.close()
        os.close(asker)
        job, streams = _job(conversation)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        if _mind(conversation):
            conversation.close()
            _run(job)
        return
    shutil.rmtree(Path(sys.argv[4]).parent)


if __name__ == "__main__":
    main()
