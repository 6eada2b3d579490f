"""One cell of the comparison: the everything server in one era, a real gateway before it, and a carrier.

Whoever enters `cell()` gets two addresses of the same server: its own, and the one through the gateway.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from gateway.core.model import Endpoint
from gateway.stories.stage import free_port
from tests.system import starter
from tests.system.home import Home, everybody, one_tier
from tests.system.starter import Started

Eras = Literal["both", "sessions", "stateless"]
START_SECONDS: Final = 30.0
SERVER: Final = "every"


@dataclass(frozen=True, slots=True)
class Cell:
    """Where to find the same server, and the gateway between."""

    direct: str
    through: str
    home: Home


@contextmanager
def process(words: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """A Python module as a process that listens on `port`; ended on the way out."""
    with log.open("ab") as out:
        started = starter.start(["-m", *words], starter.ROOT, out, out)
    try:
        _until_listening(port, started, log)
        yield
    finally:
        started.terminate()
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def _until_listening(port: int, started: Started, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if started.poll() is not None:
            raise AssertionError(f"it ended: {log.read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on {port}: {log.read_text()}")


@contextmanager
def cell(root: Path, era: Eras) -> Iterator[Cell]:
    """The everything server in that era, approved whole and allowed whole."""
    root.mkdir(parents=True, exist_ok=True)
    port = free_port()
    fixture = ["tests.conformance.everything", "--port", str(port), "--era", era]
    with (
        process(fixture, port, root / "fixture.log"),
        fronted(root / "home", f"http://127.0.0.1:{port}/mcp") as there,
    ):
        yield there


@contextmanager
def fronted(root: Path, url: str, tiers: str = one_tier(SERVER), **server: Any) -> Iterator[Cell]:
    """A gateway before the server at `url`, with a carrier that brings the token."""
    carried = free_port()
    home = Home.make(
        root,
        {SERVER: {"url": url, **server}},
        policy=everybody([("data", SERVER)]),
        tiers=tiers,
        allowed_hosts=[f"127.0.0.1:{carried}", f"localhost:{carried}"],
    )
    home.approve(SERVER)
    with home.serving():
        token = home.mint("tester", Endpoint("server", server=SERVER))
        carrier = ["tests.conformance.carrier", str(carried), str(home.port), token]
        with process(carrier, carried, root / "carrier.log"):
            yield Cell(url, f"http://127.0.0.1:{carried}/servers/{SERVER}/mcp", home)
