"""The measuring itself: ways that take turns, round by round, and what each call of each cost.

CPU is user and system time of the processes measured, as the operating system counts it (to the
nanosecond where it tells). Knows no gateway, no peer and no page.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import psutil
import uvloop

from benchmarks.load import Failed, Measured, drive

PATIENCE: Final = 60.0
"""Seconds a round may take longer than it should."""

Round = Callable[[float], Measured]


@dataclass(frozen=True, slots=True)
class Way:
    """One way of the same calls: who is measured, and how a round of it is driven."""

    name: str
    process: psutil.Process
    round: Round
    fixture: int | None = None
    """The port of the tool server behind it, to count what reaches it."""

    def cpu(self) -> float:
        """Seconds so far."""
        return cpu_seconds(self.process)

    def memory(self) -> float:
        """MiB resident."""
        return float(self.process.memory_info().rss) / 2**20

    def asked(self) -> int:
        """Requests the tool server has had."""
        return asked(self.fixture) if self.fixture else 0


@dataclass(frozen=True, slots=True)
class Row:
    """One way through one scenario: medians over rounds."""

    scenario: str
    way: str
    connections: int
    calls_per_second: float
    p50_us: float
    p99_us: float
    first_byte_us: float
    cpu_us: float
    """Of a call."""
    upstream: float
    """Requests the tool server had for one call; 0 where it cannot be asked."""
    told: float
    """Notifications of progress that arrived with one call."""
    mb_per_second: float
    memory_mib: float
    peak_mib: float
    """Above what it held before the rounds, at most."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One round."""

    load: Measured
    cpu_us: float
    upstream: float


def http(port: int, requests: Sequence[bytes]) -> Round:
    """Rounds of the load client."""
    return partial(_http, port, tuple(requests))


def _http(port: int, requests: Sequence[bytes], seconds: float) -> Measured:
    async def patiently() -> Measured:
        async with asyncio.timeout(seconds + PATIENCE):
            return await drive(port, requests, seconds)

    return uvloop.run(patiently())


def asked(port: int) -> int:
    """How many requests the fixture at this port has had."""
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", "/count")
        return int(connection.getresponse().read())


def in_turns(ways: Sequence[Way], rounds: int, seconds: float) -> Mapping[str, list[Seen]]:
    """Every way once to warm up, then so many rounds of all, one after the other."""
    seen: dict[str, list[Seen]] = {way.name: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            seen[way.name].append(once(way, seconds))
    return seen


class WayFailed(Exception):
    """A way that did not last a round; `args` are its name and why."""


def once(way: Way, seconds: float) -> Seen:
    """One round. Raises `WayFailed`."""
    cpu, before = way.cpu(), way.asked()
    try:
        load = way.round(seconds)
    except (Failed, OSError) as reason:
        raise WayFailed(way.name, str(reason) or type(reason).__name__) from reason
    spent, reached = way.cpu() - cpu, way.asked() - before
    return Seen(load, spent / load.calls * 1e6, reached / load.calls)


def measure(
    scenario: str, connections: int, ways: Sequence[Way], rounds: int, seconds: float
) -> Iterator[Row]:
    """A row for each way."""
    for way in ways:
        once(way, min(seconds, 0.5))
    held = {way.name: _from_here(way) for way in ways}
    for name, seen in in_turns(ways, rounds, seconds).items():
        (way,) = (one for one in ways if one.name == name)
        yield _row(scenario, connections, way, seen, held[name])


def _row(scenario: str, connections: int, way: Way, seen: Sequence[Seen], held: float) -> Row:
    def median(of: Callable[[Seen], float], digits: int = 1) -> float:
        return round(statistics.median(map(of, seen)), digits)

    return Row(
        scenario,
        way.name,
        connections,
        calls_per_second=median(lambda one: one.load.per_second),
        p50_us=median(lambda one: one.load.p50),
        p99_us=median(lambda one: one.load.p99),
        first_byte_us=median(lambda one: one.load.first_byte),
        cpu_us=median(lambda one: one.cpu_us),
        upstream=median(lambda one: one.upstream, 3),
        told=median(lambda one: one.load.told_each, 3),
        mb_per_second=median(lambda one: one.load.bytes_each * one.load.per_second / 1e6),
        memory_mib=round(way.memory(), 1),
        peak_mib=round(max(0.0, _peak(way) - held), 1),
    )


def _from_here(way: Way) -> float:
    """MiB now; the kernel's high-water mark is set back to it."""
    Path(f"/proc/{way.process.pid}/clear_refs").write_text("5")
    return way.memory()


def _peak(way: Way) -> float:
    """MiB at most since then."""
    status = Path(f"/proc/{way.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of one process; that of its ended threads too."""
    clock = ctypes.c_int()
    if _LIBC.clock_getcpuclockid(process.pid, ctypes.byref(clock)) == 0:
        return time.clock_gettime(clock.value)
    times = process.cpu_times()
    return float(times.user + times.system)


_LIBC: Final = ctypes.CDLL(None)


def on_one_core() -> int:
    """Everything this process does and starts from now on runs there."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core
