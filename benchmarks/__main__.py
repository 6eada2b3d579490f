"""All scenarios, in under ten minutes on two cores; and the page of what the last runs of everything told.

    python -m benchmarks [--rounds 3] [--seconds 1] [--only NAME ...]
    python -m benchmarks --write

The first measures: the scenarios (scenarios.py), a tool server that hangs beside (hung_server.py), a
decision (decide.py), a durable line (journal.py), and a start (startup.py). It writes .bench/scenarios.json.
The second measures nothing: it writes docs/explanation/performance.md from what is in .bench.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import decide, hung_server, journal, page, results, scenarios, startup
from benchmarks.meter import on_one_core


def beside() -> dict[str, object]:
    """What is not a kind of call."""
    print("a server that hangs, decisions, durable lines, a start", file=sys.stderr)
    return {
        "hung": [asdict(cost) for cost in hung_server.run(calls=60, rounds=5)],
        "decisions": decide.measured(),
        "lines": [asdict(cost) for cost in journal.measure(Path.cwd(), 1.0)],
        "start": asdict(startup.measure(3)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--write", action="store_true", help="measure nothing, write the page")
    given = parser.parse_args()
    if given.write:
        page.write()
        return
    on_one_core()
    rows = list(scenarios.run(given.rounds, given.seconds, given.only))
    results.keep("scenarios", list(map(asdict, rows)), **({} if given.only else beside()))
    print(scenarios.table(rows))


if __name__ == "__main__":
    main()
