"""Whether a call costs the same when there is much of everything: goal, within a fifth.

    python -m benchmarks.growth [--rows 1000000] [--rounds 9] [--seconds 1] [--only NAME ...] [--json]

Two gateways stand at once, alike but for one thing, and take turns on one core with their load: a journal
of many lines and an empty one, 10,000 rules and one, 10,000 grants and one, 1,000 open sessions and 64,
50 servers of 1,000 tools and one of eight. The small call at 64 connections, in CPU of the gateway. The ratio
is the median of the ratios of neighbouring rounds. Results go to .bench/growth.json, one growth beside the
other, so each can be run alone; `--rows 10000000` takes minutes and about ten GB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import psutil

from benchmarks import filling, homes, results
from benchmarks.load import stateless
from benchmarks.meter import Way, http, in_turns, on_one_core, once
from benchmarks.opening import session
from benchmarks.scenarios import SMALL
from benchmarks.stand import PATIENCE, Stand, serving, target
from gateway.core.model import Endpoint
from tests.system.home import Home

HTTP: Final = Endpoint("server", server="http")
CONNECTIONS: Final = 64
SESSIONS: Final = 1_000
SERVERS: Final = 50
TOOLS: Final = 1_000
LOOK: Final = 3.0
IDLE: Final = 0.1
"""Of a core."""


@dataclass(frozen=True, slots=True)
class Growth:
    """One thing there is more of. Microseconds of CPU of a call, medians over rounds."""

    of: str
    few: int
    many: int
    few_us: float
    many_us: float
    ratio: float
    memory_mib: float
    setup_seconds: float
    disk_mib: float = 0


class Place:
    """Where the pairs stand, one after the other."""

    def __init__(self, stack: ExitStack, root: Path, rows: int) -> None:
        self.stack = stack
        self.root = root
        self.rows = rows
        self.stand = Stand(stack, root)

    def serving(self, home: Home) -> psutil.Process:
        words = ("gateway", "serve", "--config", str(home.config))
        return self.stack.enter_context(serving(home, *words))

    def home(self, name: str, kind: str = "plain") -> Home:
        """One, with the fixture."""
        url = f"http://127.0.0.1:{self.stand.fixture('http').port}/mcp"
        (self.root / name).mkdir()
        return homes.make(self.root / name / "home", kind, {"http": {"url": url}})


def plain(place: Place, home: Home, name: str, server: str = "http") -> Way:
    """The small call, at so many connections."""
    request = stateless(target(home, Endpoint("server", server=server)), "tools/call", SMALL)
    return Way(name, place.serving(home), http(home.port, [request] * CONNECTIONS))


def rows(place: Place) -> tuple[Way, Way, Growth]:
    """A journal of many lines."""
    few, many = place.home("few"), place.home("many")
    way = plain(place, few, "few")
    request = stateless(target(many, HTTP), "tools/call", SMALL)
    with serving(many, "gateway", "serve", "--config", str(many.config)) as process:
        once(Way("seed", process, http(many.port, [request])), 0.2)
    filling.fill(homes.state_dir(many), place.rows)
    files = homes.state_dir(many).glob("*.db*")
    size = sum(file.stat().st_size for file in files) / 2**20
    there = filling.lines(homes.state_dir(many))
    told = replace(_growth("journal lines", 0, there), disk_mib=round(size))
    return way, plain(place, many, "many"), told


def rules(place: Place) -> tuple[Way, Way, Growth]:
    """A policy of many rules."""
    few, many = place.home("few"), place.home("many", "rules")
    ways = plain(place, few, "few"), plain(place, many, "many")
    return *ways, _growth("policy rules", 1, homes.RULES)


def grants(place: Place) -> tuple[Way, Way, Growth]:
    """Many grants, and one of them spent on each call; against one grant."""
    few, many = place.home("few", "with a grant"), place.home("many", "grants")
    ways = plain(place, few, "few"), plain(place, many, "many")
    for home in (few, many):
        home.grant("tester", "--tool", "http/echo", "--uses", str(2**40))
    return *ways, _growth("grants", 1, homes.GRANTS)


def sessions(place: Place) -> tuple[Way, Way, Growth]:
    """Many sessions of the old era open; the calls are of 64 of them."""
    few, many = place.home("few"), place.home("many")
    return (
        _in_sessions(place, few, "few", CONNECTIONS),
        _in_sessions(place, many, "many", SESSIONS),
        _growth("open sessions", CONNECTIONS, SESSIONS),
    )


def _in_sessions(place: Place, home: Home, name: str, count: int) -> Way:
    process, where = place.serving(home), target(home, HTTP)
    opened = [session(where) for _ in range(count)][:CONNECTIONS]
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": SMALL}
    return Way(name, process, http(home.port, [where.post(body, *one) for one in opened]))


def tools(place: Place) -> tuple[Way, Way, Growth]:
    """Many servers with many tools each; the calls are of one of them."""
    few = place.home("few")
    way = plain(place, few, "few")
    url = f"http://127.0.0.1:{place.stand.fixture('thousand').port}/mcp"
    names = [f"s{number}" for number in range(SERVERS)]
    many = homes.make(place.root / "tools", "plain", {name: {"url": url} for name in names})
    return way, plain(place, many, "many", "s7"), _growth("tools", 8, SERVERS * TOOLS)


GROWTHS: Final[dict[str, Callable[[Place], tuple[Way, Way, Growth]]]] = {
    "rows": rows,
    "rules": rules,
    "grants": grants,
    "sessions": sessions,
    "tools": tools,
}


def _growth(of: str, few: int, many: int) -> Growth:
    """Not yet measured."""
    return Growth(of, few, many, 0, 0, 0, 0, 0)


@contextmanager
def placed(rows: int) -> Iterator[Place]:
    results.PLACE.mkdir(exist_ok=True)  # /tmp may be of memory, and small
    with ExitStack() as stack, tempfile.TemporaryDirectory(dir=results.PLACE) as root:
        yield Place(stack, Path(root), rows)


def settle(way: Way) -> None:
    """Returns when it has done what it does after its start: so many lists are read for a while."""
    until = time.monotonic() + PATIENCE
    busy = 1.0
    while busy > IDLE and time.monotonic() < until:
        before = way.cpu()
        time.sleep(LOOK)
        busy = (way.cpu() - before) / LOOK


def measure(name: str, rows: int, rounds: int, seconds: float) -> Growth:
    """One pair."""
    began = time.perf_counter()
    with placed(rows) as place:
        few, many, told = GROWTHS[name](place)
        for way in (few, many):
            settle(way)
        setup = time.perf_counter() - began
        for way in (few, many):
            once(way, seconds)
        seen = in_turns((few, many), rounds, seconds)
        costs = {way: [one.cpu_us for one in found] for way, found in seen.items()}
        ratios = [more / less for less, more in zip(costs["few"], costs["many"], strict=True)]
        return replace(
            told,
            few_us=round(statistics.median(costs["few"]), 1),
            many_us=round(statistics.median(costs["many"]), 1),
            ratio=round(statistics.median(ratios), 2),
            memory_mib=round(many.memory(), 1),
            setup_seconds=round(setup, 1),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", default=list(GROWTHS), choices=list(GROWTHS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    on_one_core()
    found = []
    for name in given.only:
        print(f"{name}: setting up", file=sys.stderr)
        found.append(measure(name, given.rows, given.rounds, given.seconds))
    results.keep_beside("growth", list(map(asdict, found)))
    if given.json:
        print(json.dumps([asdict(one) for one in found]))
        return
    for one in found:
        print("  ".join(f"{name} {value}" for name, value in asdict(one).items()))


if __name__ == "__main__":
    main()
