"""What a small call costs the gateway in CPU, beside the least a Python relay can cost. One core for all.

    python -m benchmarks.relay [--rounds 5] [--seconds 1] [--connections 1 16 64] [--json]

Rows: direct; floor (floor.py); the gateway without its journal; the gateway; the gateway with a budget
that each call is taken from. All stand at once, pinned to one core with their load, and take turns round
by round. CPU is user and system time of the process measured, from the operating system, by call; medians
over rounds. Read the ratios: the microseconds are the machine's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from benchmarks import meter
from benchmarks.scenarios import Scenario, standing, ways

WAYS = ("direct", "floor", "no journal", "gateway", "with a grant")


@dataclass(frozen=True, slots=True)
class Row:
    """One way, at one number of connections: medians over rounds."""

    way: str
    connections: int
    cpu_us: float
    times_floor: float
    p50_us: float
    p99_us: float
    calls_per_second: int


def measure(connections: Sequence[int], rounds: int, seconds: float) -> Iterator[Row]:
    """All ways at each of these numbers."""
    with standing() as stand, ExitStack() as stack:
        for count in connections:
            scenario = Scenario("small call", count, ways=WAYS)
            found = ways(stand, stack, scenario)
            rows = list(meter.measure(scenario.name, count, found, rounds, seconds))
            (floor,) = (row.cpu_us for row in rows if row.way == "floor")
            yield from (_row(row, floor) for row in rows)


def _row(row: meter.Row, floor: float) -> Row:
    return Row(
        row.way,
        row.connections,
        row.cpu_us,
        round(row.cpu_us / floor, 2),
        round(row.p50_us),
        round(row.p99_us),
        round(row.calls_per_second),
    )


def table(rows: Sequence[Row]) -> str:
    lines = [
        "| way | connections | CPU us a call | of the floor | p50 us | p99 us | calls/s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += ["| " + " | ".join(map(str, asdict(row).values())) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    meter.on_one_core()
    rows = list(measure(given.connections, given.rounds, given.seconds))
    print(json.dumps([asdict(row) for row in rows]) if given.json else table(rows))


if __name__ == "__main__":
    main()
