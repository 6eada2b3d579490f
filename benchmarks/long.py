"""What only shows after a while: latency over a minute as the journal grows, memory over a million calls.

    python -m benchmarks.long [--only latency memory] [--seconds 60] [--calls 1000000] [--json]

One gateway, one core for it, its load and its tool server; the small call at 16 connections. Goals: the
99th percentile under three times the median; memory that stays. `memory` is compared from a tenth of the
calls to the end. Results go to .bench/long.json, each beside the other.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks import filling, homes, results
from benchmarks.meter import Way, on_one_core, once
from benchmarks.scenarios import Scenario, standing, ways
from tests.system.home import Home

CONNECTIONS: Final = 16
ROUND: Final = 5.0
"""Seconds between two looks at the memory."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Of all calls of the run."""

    of: str
    seconds: float
    calls: int
    lines: int
    """In the journal, afterwards."""
    p50_us: float
    p99_us: float
    ratio: float
    first_quarter_us: float
    last_quarter_us: float
    """Median of the first and of the last quarter of the time."""


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB resident."""

    of: str
    calls: int
    at_first: float
    at_a_tenth: float
    at_the_end: float
    grown: float
    """From a tenth on."""


@contextmanager
def gateway() -> Iterator[tuple[Way, Home]]:
    """One that has warmed up."""
    with standing() as stand, ExitStack() as stack:
        scenario = Scenario("small call", CONNECTIONS, ways=("gateway",))
        (way,) = ways(stand, stack, scenario)
        once(way, 1)
        yield way, stand.gateway("gateway").home


def latency(seconds: float, calls: int) -> Latency:
    """Driven without a pause."""
    with gateway() as (way, home):
        first = way.round(seconds / 4)
        middle = way.round(seconds / 2)
        last = way.round(seconds / 4)
        done = first.calls + middle.calls + last.calls
        p99 = max(first.p99, middle.p99, last.p99)
        lines = filling.lines(homes.state_dir(home))
    return Latency(
        "latency",
        seconds,
        done,
        lines,
        round(middle.p50, 1),
        round(p99, 1),
        round(p99 / middle.p50, 2),
        round(first.p50, 1),
        round(last.p50, 1),
    )


def memory(seconds: float, calls: int) -> Memory:
    """Driven until there were so many calls."""
    with gateway() as (way, _):
        seen, done = [(0, way.memory())], 0
        while done < calls:
            done += way.round(ROUND).calls
            seen.append((done, way.memory()))
            print(f"{done} calls, {seen[-1][1]:.1f} MiB", file=sys.stderr)
    tenth = next(mib for count, mib in seen if count >= done / 10)
    first, end = (round(mib, 1) for mib in (seen[0][1], seen[-1][1]))
    return Memory("memory", done, first, round(tenth, 1), end, round(end - tenth, 1))


RUNS: Final[dict[str, Callable[[float, int], Latency | Memory]]] = {
    "latency": latency,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    on_one_core()
    found: list[dict[str, Any]] = [
        asdict(RUNS[name](given.seconds, given.calls)) for name in given.only
    ]
    results.keep_beside("long", found)
    if given.json:
        print(json.dumps(found))
        return
    for one in found:
        print("  ".join(f"{name} {value}" for name, value in one.items()))


if __name__ == "__main__":
    main()
