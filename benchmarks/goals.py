"""What we mean to hold, and whether the last runs did: each goal with the figure that decides it.

A goal whose run is missing is not in the list. Knows the results' shape, and no page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.scenarios import STATELESS

Rows = Sequence[Mapping[str, Any]]
Results = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table."""

    says: str
    limit: float
    measured: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def goals(kept: Results) -> list[Goal]:
    """All that can be judged by what is there."""
    found: list[Goal] = []
    for kind, judge in JUDGES.items():
        if kind in kept:
            found += judge(kept[kind])
    return found


def row(rows: Rows, scenario: str, way: str, connections: int) -> Mapping[str, Any]:
    """The one row. Raises `LookupError`."""
    wanted = (scenario, way, connections)
    for one in rows:
        if (one.get("scenario"), one["way"], one.get("connections")) == wanted:
            return one
    raise LookupError(wanted)


def _calls(kept: Mapping[str, Any]) -> Iterator[Goal]:
    rows: Rows = kept["rows"]

    def cpu(scenario: str, way: str, connections: int = 64) -> float:
        return float(row(rows, scenario, way, connections)["cpu_us"])

    floor, plain = cpu("small call", "floor"), cpu("small call", "gateway")
    yield Goal("small call at 64: CPU, times the floor", 2.2, plain / floor)
    bare = cpu("small call", "no journal")
    yield Goal("the same without a journal, times the floor", 1.6, bare / floor)
    name = "small call, with a grant"
    spent, unspent = cpu(name, "with a grant"), cpu(name, "gateway")
    yield Goal("with a grant spent on each call: CPU, times without", 1.2, spent / unspent)
    name = "small call, session of the old era"
    old, new = cpu(name, "gateway"), cpu(name, STATELESS)
    yield Goal("old-era sessions: CPU, times stateless", 1.3, old / new)
    listed = cpu("tools/list of 500", "gateway", 4)
    yield Goal("tools/list of 500: CPU, ms", 0.2, listed / 1e3)
    yield from _waits(kept, rows)
    yield from _streams(rows)
    yield from _beside(kept)


def _beside(kept: Mapping[str, Any]) -> Iterator[Goal]:
    for one in kept.get("hung", ()):
        yield Goal(
            f"p99 while a server hangs ({one['hung']}), times without", 1.2, one["p99_ratio"]
        )
    for one in kept.get("decisions", ()):
        if one["rules"] == 10_000 and one["shape"] != "flat":
            said = f"decision, 10,000 rules ({one['shape']})"
            yield Goal(f"{said}, first time, ms", 0.3, one["us"] / 1e3)
            yield Goal(f"{said}, again, ms", 0.02, one["again_us"] / 1e3)
    if "start" in kept:
        yield Goal("ready with ten servers, one dead, s", 1, kept["start"]["ready"])


def _waits(kept: Mapping[str, Any], rows: Rows) -> Iterator[Goal]:
    def p50(scenario: str, way: str) -> float:
        return float(row(rows, scenario, way, 1)["p50_us"])

    read = p50("small call", "gateway") - p50("small call", "floor")
    yield Goal("one connection, a read: added to the floor's p50, ms", 0.15, read / 1e3)
    write = p50("small write", "gateway") - p50("small write", "floor")
    for line in kept.get("lines", ()):
        if (line["way"], line["callers"]) == ("journal", 1):
            rest = (write - line["wait_us_p50"]) / 1e3
            yield Goal("one connection, a write: the same less one durable line, ms", 0.15, rest)
    name = "stdio server, small call"
    added = p50(name, "gateway") - p50(name, "SDK client")
    yield Goal("stdio server: added to the SDK client's p50, ms", 0.3, added / 1e3)


def _streams(rows: Rows) -> Iterator[Goal]:
    name = "result of 10 MB"
    direct, ours = (row(rows, name, way, 1) for way in ("direct", "gateway"))
    first = ours["first_byte_us"] / direct["first_byte_us"]
    yield Goal("10 MB: first byte, times direct", 1.1, first)
    through = ours["mb_per_second"] / direct["mb_per_second"]
    yield Goal("10 MB: throughput, of direct", 0.5, through, at_least=True)
    yield Goal("10 MB: memory of a stream, MiB", 4, ours["peak_mib"])
    for name, count in (("20 notifications in a burst", 20), ("5 notifications, 10 ms apart", 5)):
        told = row(rows, name, "gateway", 4)["told"]
        yield Goal(f"{name}: arrived", count, told, at_least=True)


def _peers(kept: Mapping[str, Any]) -> Iterator[Goal]:
    rows: Rows = kept["rows"]
    ours = row(rows, "small call", "gateway", 64)
    limits = {
        "Envoy, MCP and RBAC filters": 0.75,
        "mcp-proxy (npm)": 1 / 10,
        "mcp-proxy (PyPI)": 1 / 25,
        "FastMCP proxy": 1 / 500,
        "ContextForge": 1 / 500,
    }
    for name, limit in limits.items():
        try:
            theirs = row(rows, "small call", name, 64)
        except LookupError:
            continue
        yield Goal(f"CPU at 64, of {name}", limit, ours["cpu_us"] / theirs["cpu_us"])
        if name.startswith("Envoy"):
            faster = ours["calls_per_second"] / theirs["calls_per_second"]
            yield Goal(f"calls/s at 64, times {name}", 1, faster, at_least=True)


def _growth(kept: Mapping[str, Any]) -> Iterator[Goal]:
    for one in kept["rows"]:
        yield Goal(f"{one['many']:,} {one['of']}: CPU, times {one['few']:,}", 1.2, one["ratio"])


def _long(kept: Mapping[str, Any]) -> Iterator[Goal]:
    for one in kept["rows"]:
        if one["of"] == "latency":
            yield Goal(f"p99 at 16 over {one['seconds']:g} s, times p50", 3, one["ratio"])
        else:
            said = f"memory from {one['calls'] // 10:,} to {one['calls']:,} calls, MiB more"
            yield Goal(said, 4, one["grown"])


JUDGES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Goal]]] = {
    "scenarios": _calls,
    "peers": _peers,
    "growth": _growth,
    "long": _long,
}
