"""What evidence costs: calls/s and CPU with the Merkle log kept up and without, and how far it lags behind.

    python -m benchmarks.evidence [--rounds 9] [--seconds 2] [--connections 64] [--json]

Two gateways stand at once and take turns, pinned to one core with their load; the log of one is kept from
it by its own lock, as if another process sequenced. The lag of a line is the time from when it was made to
when the checkpoint that covers it was signed. `--payload` adds what keeping a line's payload apart costs,
alone, in microseconds. Read the ratios: the rest is the machine's.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.journal import call_record
from benchmarks.load import stateless
from benchmarks.meter import Way, http, on_one_core, once
from benchmarks.options import options
from benchmarks.scenarios import SMALL
from benchmarks.stand import serving, started, target
from gateway.core import record
from gateway.core.model import Endpoint
from gateway.evidence.sequencer import lock
from gateway.journals import form
from gateway.journals.payloads import Keeper
from gateway.journals.vault import Vault
from tests.system.home import Home, everybody, one_tier

SERVER: Final = "http"
ENDPOINT: Final = Endpoint("server", server=SERVER)
TIMES: Final = 20_000
SETTLE: Final = 2.0
"""Seconds after the last call, for the last checkpoint."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over rounds; the lag over all lines of the run."""

    connections: int
    calls_per_second: float
    without: float
    overhead_percent: float
    cpu_percent: float
    lines: int
    lag_p50_seconds: float
    lag_p99_seconds: float
    lag_max_seconds: float


@contextmanager
def gateways(connections: int) -> Iterator[tuple[Way, Way, Path]]:
    """With the log kept up, without; and the state directory of the first."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, _ = stack.enter_context(started("benchmarks.fixture"))
        found = []
        for name in ("with", "without"):
            home = Home.make(
                root / name,
                {SERVER: {"url": f"http://127.0.0.1:{port}/mcp"}},
                policy=everybody([("data", SERVER)]),
                tiers=one_tier(SERVER),
            )
            home.approve(SERVER)
            state = home.root / ".bulkhead"
            if name == "without":
                state.mkdir(mode=0o700, exist_ok=True)
                held = lock(state / "evidence.lock")
                assert held is not None
                stack.callback(os.close, held)
            words = ["gateway", "serve", "--config", str(home.config)]
            process = stack.enter_context(serving(home, *words))
            request = stateless(target(home, ENDPOINT), "tools/call", SMALL)
            found.append(Way(name, process, http(home.port, [request] * connections)))
        yield found[0], found[1], root / "with" / ".bulkhead"


def measure(connections: int, rounds: int, seconds: float) -> Cost:
    """The two by turns, then the lags of all lines."""
    seen: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
    with gateways(connections) as (kept_up, alone, state):
        for number in range(rounds + 1):
            # Who comes first changes: what a round leaves behind is the next one's burden.
            for way in (kept_up, alone) if number % 2 else (alone, kept_up):
                took = once(way, seconds)
                if number:
                    seen[way.name].append((took.load.per_second, took.cpu_us))
        time.sleep(SETTLE)
        found = lags(state)
    rate, cpu = (
        {name: statistics.median(row[at] for row in rows) for name, rows in seen.items()}
        for at in (0, 1)
    )
    return Cost(
        connections,
        round(rate["with"]),
        round(rate["without"]),
        round(100 * (1 - rate["with"] / rate["without"]), 1),
        round(100 * (cpu["with"] / cpu["without"] - 1), 1),
        len(found),
        *(round(found[int(q * (len(found) - 1))], 2) for q in (0.5, 0.99, 1.0)),
    )


def lags(state: Path) -> list[float]:
    """Seconds from each line to its checkpoint, in order of length. Raises `AssertionError` when one has none."""
    with closing(sqlite3.connect(state / "evidence.db")) as db:
        signed = db.execute("SELECT size, at FROM checkpoint ORDER BY size").fetchall()
    with closing(sqlite3.connect(state / "journal.db")) as db:
        lines = db.execute("SELECT seq, at FROM event ORDER BY seq").fetchall()
    found, which = [], 0
    for seq, at in lines:
        while signed[which][0] < seq:
            which += 1
            assert which < len(signed), f"line {seq} is under no checkpoint"
        found.append((signed[which][1] - at) / 1e6)
    return sorted(found)


def payload_microseconds() -> dict[str, float]:
    """Of an everyday call's first line: written whole, written with its payload apart, that sealed."""
    line = record.intent(call_record("0" * 12), 1)
    keeper = Keeper(Vault(bytes(32)))
    _, [payload] = form.write(line, "run")

    def each(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        for _ in range(TIMES):
            work()
        return round((time.perf_counter() - began) / TIMES * 1e6, 1)

    return {
        "whole": each(lambda: form.encode(line, "run")),
        "apart": each(lambda: form.write(line, "run")),
        "sealed, in the writer's thread": each(lambda: keeper.seal_all([payload])),
    }


def main() -> None:
    given = options(__doc__, rounds=9, seconds=2.0, connections=64, payload=False, json=False)
    on_one_core()
    told = asdict(measure(given.connections, given.rounds, given.seconds))
    if given.payload:
        told |= payload_microseconds()
    if given.json:
        print(json.dumps(told))
        return
    for name, figure in told.items():
        print(f"{name:<32} {figure}")


if __name__ == "__main__":
    main()
