"""What stands while it is measured: tool servers, bare relays, gateways; each started when first asked for.

Everything is gone when the stack it was given is closed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks import homes
from benchmarks.load import Target
from gateway.core.model import Endpoint
from tests.system.home import Home, wait_until_ready

JSON = dict[str, Any]
MORE: Final = {"http": 0, "many": 500, "thousand": 992}
"""Tools that each of our tool servers lists besides its own eight."""
PATIENCE: Final = 300.0
"""Seconds a gateway may take to be ready: with fifty thousand tools, or on a machine at work."""
PIPE: Final[JSON] = {
    "command": [sys.executable, "-m", "benchmarks.fixture", "--stdio"],
    "cwd": str(Path(__file__).parents[1]),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A process and the port it answers at."""

    port: int
    process: psutil.Process


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that serves its home."""

    home: Home
    process: psutil.Process


class Stand:
    """By name, each once."""

    def __init__(self, stack: ExitStack, root: Path) -> None:
        self._stack = stack
        self._root = root
        self._ports: dict[tuple[str, str], Standing] = {}
        self._gateways: dict[str, Gateway] = {}

    def fixture(self, server: str) -> Standing:
        """One of our tool servers."""
        more = str(MORE[server])
        return self._one(("fixture", server), "benchmarks.fixture", "--tools", more)

    def floor(self, server: str) -> Standing:
        """The bare relay before it."""
        port = str(self.fixture(server).port)
        return self._one(("floor", server), "benchmarks.floor", port)

    def _one(self, key: tuple[str, str], *words: str) -> Standing:
        if key not in self._ports:
            self._ports[key] = Standing(*self._stack.enter_context(started(*words)))
        return self._ports[key]

    def gateway(self, name: str) -> Gateway:
        """The gateway of the home of this name."""
        if name not in self._gateways:
            self._gateways[name] = self._serve(name)
        return self._gateways[name]

    def _serve(self, name: str) -> Gateway:
        home = homes.make(self._root / name, name, self._servers(name))
        module = (
            ("benchmarks.unjournaled",)
            if name == "no journal"
            else ("gateway", "serve", "--config")
        )
        process = self._stack.enter_context(serving(home, *module, str(home.config)))
        if "grant" in name:
            home.grant("tester", "--tool", "http/echo", "--uses", str(2**40))
        return Gateway(home, process)

    def _servers(self, name: str) -> Mapping[str, JSON]:
        http: JSON = {"url": f"http://127.0.0.1:{self.fixture('http').port}/mcp"}
        if name != "wide":
            return {"http": http}
        many = {"url": f"http://127.0.0.1:{self.fixture('many').port}/mcp"}
        return {"http": http, "many": many, "pipe": PIPE}


def target(home: Home, endpoint: Endpoint) -> Target:
    """One endpoint of a gateway, with a token for it."""
    token = home.mint("tester", endpoint)
    return Target(home.port, endpoint.path, (("authorization", f"Bearer {token}"),))


@contextmanager
def started(*words: str) -> Iterator[tuple[int, psutil.Process]]:
    """A module of ours that prints its port."""
    process = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


@contextmanager
def serving(home: Home, *words: str) -> Iterator[psutil.Process]:
    """A gateway as a process."""
    log = home.root / "serve.log"
    with log.open("ab") as out:
        command = [sys.executable, "-m", *words]
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=Path.cwd())
    try:
        wait_until_ready(home.origin, process, log, PATIENCE)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()
