"""How soon a gateway with ten tool servers, of which one is dead, answers: from its start to `/readyz`.

    python -m benchmarks.startup [--rounds 5] [--json]

Three over HTTP, six over stdio, and one at a port where nobody listens. Everything has been approved, and
the gateway has run before: it keeps what the servers listed, and Python its byte code, as where it is installed.
`first list` is when an agent has the whole `tools/list` of those that live.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import uvloop

from benchmarks.fixture import NOTES, SIZES
from benchmarks.load import Failed, drive, stateless
from benchmarks.options import options
from benchmarks.stand import PIPE, started, target
from gateway.core.model import Endpoint
from gateway.stories.stage import free_port
from tests.system.home import Home, everybody, one_tier

DEAD: Final = "dead"


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds, medians over rounds."""

    servers: int
    ready: float
    first_list: float


def _home(root: Path, ports: list[int]) -> Home:
    servers: dict[str, dict[str, object]] = {
        **{f"http{n}": {"url": f"http://127.0.0.1:{port}/mcp"} for n, port in enumerate(ports)},
        **{f"pipe{n}": PIPE for n in range(6)},
    }
    living = list(servers)
    servers[DEAD] = {"url": f"http://127.0.0.1:{free_port()}/mcp"}
    tiers = "servers:\n" + "".join(one_tier(name).partition("\n")[2] for name in servers)
    policy = everybody([("data", name) for name in servers])
    home = Home.make(root, servers, policy=policy, tiers=tiers)
    home.approve(*living)
    return home


@contextmanager
def _serving(home: Home) -> Iterator[None]:
    # Written also where the environment says not to: that is for who works on the sources.
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(home.root / "bytecode")}
    with (home.root / "serve.log").open("ab") as out:
        words = [sys.executable, "-m", "gateway", "serve", "--config", str(home.config)]
        process = subprocess.Popen(
            words, stdout=out, stderr=out, cwd=home.root, env=os.environ | kept
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _until_ready(home: Home) -> None:
    while True:
        try:
            with urlopen(f"{home.origin}/readyz", timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.005)


def _begin_before(home: Home) -> None:
    """Once, until all that live are known for the next time."""
    kept = home.root / ".bulkhead" / "catalogue"
    with _serving(home):
        while len(list(kept.glob("*.json"))) < 9:
            time.sleep(0.05)


def _until_listed(home: Home, listed: bytes) -> None:
    wanted = (len(SIZES) + len(NOTES)) * 9
    while True:
        try:
            took = uvloop.run(drive(home.port, [listed], 0))
        except Failed:
            continue
        if took.bytes_each > wanted * 150:
            return


def measure(rounds: int) -> Row:
    """A gateway started so many times."""
    seen: list[tuple[float, float]] = []
    with ExitStack() as stack, tempfile.TemporaryDirectory() as root:
        ports = [stack.enter_context(started("benchmarks.fixture"))[0] for _ in range(3)]
        home = _home(Path(root, "home"), ports)
        listed = stateless(target(home, Endpoint("all")), "tools/list", {})
        _begin_before(home)
        for _ in range(rounds):
            began = time.perf_counter()
            with _serving(home):
                _until_ready(home)
                ready = time.perf_counter() - began
                _until_listed(home, listed)
                seen.append((ready, time.perf_counter() - began))
    return Row(10, *(round(statistics.median(column), 2) for column in zip(*seen, strict=True)))


def main() -> None:
    given = options(__doc__, rounds=5, json=False)
    row = measure(given.rounds)
    print(
        json.dumps(asdict(row))
        if given.json
        else f"ready {row.ready} s, first list {row.first_list} s"
    )


if __name__ == "__main__":
    main()
