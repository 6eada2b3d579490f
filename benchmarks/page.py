"""Writes docs/explanation/performance.md and its plot from what the runs left in .bench."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import results
from benchmarks.goals import Goal, goals

PAGE: Final = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"
KINDS: Final = {
    "scenarios": "make bench",
    "peers": "make bench-peers",
    "growth": "make bench-growth",
    "long": "make bench-long",
}
HEAD: Final = """\
# Performance

Written by `make bench-page` from what `make bench`, `make bench-peers`, `make bench-growth` and `make bench-long`
measured; do not edit it. Read the ratios within one run: the numbers are the machine's, and other work on it makes
all of them larger.

Everything of one run (load, tool server, gateway, peers) is pinned to **one core**, stands at once and takes turns
round by round; figures are medians over rounds. CPU is user and system time of the measured process alone, from the
operating system, by call; for `direct` it is the tool server's own. The load client and the tool server together
cost about 11 us a call here. `floor` is the least a relay in Python can do: both HTTP legs, one JSON parse, pooled
connections, and no identity, no policy, no record. The gateway's rows have identity, Casbin, and a durable SQLite
journal on (`synchronous=FULL`), unless they say otherwise.
"""
CALLS: Final = {
    "scenario": "call",
    "way": "way",
    "connections": "connections",
    "calls_per_second": "calls/s",
    "p50_us": "p50 us",
    "p99_us": "p99 us",
    "first_byte_us": "first byte us",
    "cpu_us": "CPU ms",
    "upstream": "requests to the server",
    "told": "notifications",
    "memory_mib": "MiB",
    "peak_mib": "MiB more, at most",
}
PEERS: Final = {
    "way": "way",
    "version": "version",
    "connections": "connections",
    "calls_per_second": "calls/s",
    "p50_us": "p50 us",
    "p99_us": "p99 us",
    "cpu_us": "CPU ms",
    "upstream": "requests to the server",
    "memory_mib": "MiB",
}
GROWTH: Final = {
    "of": "of",
    "few": "few",
    "many": "many",
    "few_us": "CPU us, few",
    "many_us": "CPU us, many",
    "ratio": "ratio",
    "memory_mib": "MiB",
    "disk_mib": "MiB on disk",
    "setup_seconds": "s to set up both",
}


def write() -> None:
    """Both files."""
    kept = {kind: told for kind in KINDS if (told := results.kept(kind)) is not None}
    PAGE.write_text("\n".join(_lines(kept)).rstrip() + "\n")
    if "peers" in kept:
        from benchmarks import plot  # needs what only the bench group installs

        plot.draw(kept["peers"]["rows"], PAGE.with_suffix(".svg"))


def _lines(kept: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield HEAD
    yield from _runs(kept)
    yield "## Goals\n"
    yield from _goals(goals(kept))
    if "peers" in kept:
        yield "## Other gateways\n\n![CPU of a small call](performance.svg)\n"
        yield PEERS_SAID
        yield from table(kept["peers"]["rows"], PEERS)
    if "scenarios" in kept:
        yield "## Kinds of calls\n"
        yield from table(kept["scenarios"]["rows"], CALLS)
        yield from _beside(kept["scenarios"])
    if "growth" in kept:
        yield "## Growth\n\nThe small call at 64 connections, beside few and beside many.\n"
        yield from table(kept["growth"]["rows"], GROWTH)
    if "long" in kept:
        yield "## Long runs\n\nThe small call at 16 connections.\n"
        for one in kept["long"]["rows"]:
            yield from table([one], {name: name.replace("_", " ") for name in one})


PEERS_SAID: Final = """\
The small call, in the stateless era where a peer speaks it, in one session per connection where not. Both `mcp-proxy`
have their tool server over stdio: `gateway, stdio server` is ours with that. Envoy decides by method, tool and a
header, and records nothing. `mcp-proxy` and FastMCP's proxy neither decide nor record. ContextForge runs as light as
its settings make it: no tokens, no rate limits, no user interface.
"""


def _runs(kept: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "| run | taken | load average | command |\n|---|---|---:|---|"
    for kind, make in KINDS.items():
        if kind not in kept:
            yield f"| {kind} | not yet | | `{make}` |"
            continue
        told = kept[kind]
        yield f"| {kind} | {told['taken']} | {told['load']:.1f} | `{make}` (`{told['command']}`) |"
    for told in list(kept.values())[:1]:
        versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
        yield f"\nMachine: {told['machine']}. {versions}.\n"


def _goals(found: Sequence[Goal]) -> Iterator[str]:
    yield "| goal | limit | measured | met |\n|---|---:|---:|---|"
    for goal in found:
        limit = f"{'at least' if goal.at_least else 'at most'} {goal.limit:.3g}"
        met = "yes" if goal.met else "**no**"
        yield f"| {goal.says} | {limit} | {goal.measured:.3g} | {met} |"
    yield ""


def table(rows: Sequence[Mapping[str, Any]], heads: Mapping[str, str]) -> Iterator[str]:
    """Rows as Markdown, under these heads."""
    yield f"| {' | '.join(heads.values())} |"
    yield "|" + "".join("---|" if _is_text(rows, name) else "---:|" for name in heads)
    for row in rows:
        if "failed" in row:
            yield f"| {row['way']} | could not be measured: {row['failed']} |" + " |" * (
                len(heads) - 2
            )
        else:
            yield "| " + " | ".join(_figure(name, row[name]) for name in heads) + " |"
    yield ""


def _is_text(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(isinstance(row.get(name), str) for row in rows)


def _figure(name: str, value: Any) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    if name == "cpu_us":
        return f"{value / 1e3:.3f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:g}"


BESIDE: Final = {
    "hung": "16 agents call one server while another hangs with a call of each of them, and while none does",
    "decisions": "One decision, asked for the first time and again",
    "lines": "One durable line of the journal, and a bare row of the same bytes",
    "start": "Start of a gateway with ten servers, of which one is dead; seconds, one core",
}


def _beside(kept: Mapping[str, Any]) -> Iterator[str]:
    for name, said in BESIDE.items():
        if name in kept:
            rows = kept[name] if isinstance(kept[name], list) else [kept[name]]
            yield f"{said}:\n"
            yield from table(rows, {column: column.replace("_", " ") for column in rows[0]})
