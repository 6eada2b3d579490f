"""What a durable line costs: the journal at 1, 16 and 64 callers waiting, against a bare executemany.

    python -m benchmarks.journal [--seconds 2] [--directory DIR] [--json]

The bare row inserts the same bytes into one plain table, WAL and FULL like the journal, in batches as
large as there are callers: no states, no projection, no waiting callers. Read the ratios of one run;
the absolute numbers are the machine's.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from benchmarks.options import options
from gateway.core import record
from gateway.core.model import CallRecord
from gateway.journals import form
from gateway.journals.sqlite import SqliteJournal

CALLERS = (1, 16, 64)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way to write, at one number of callers."""

    way: str
    callers: int
    rows_per_second: int
    cpu_us_per_row: float
    wait_us_p50: float
    wait_us_p99: float


def call_record(call_id: str) -> CallRecord:
    """An everyday call."""
    return CallRecord(
        call_id=call_id,
        agent="agent:analyst",
        tenant="local",
        task="task-0001",
        intent="general",
        endpoint="/mcp",
        method="tools/call",
        server="git",
        target="git_log",
        tier="data",
        effect="read",
        destination="local",
        rule="P010",
        where="policies/policy.csv:12",
        policy_version="sha256:" + "ab" * 32,
        descriptor="sha256:" + "cd" * 32,
        arguments={"repo_path": "/srv/repositories/one", "max_count": 10},
        arguments_digest="hmac-sha256:" + "ef" * 32,
    )


async def through_journal(path: Path, callers: int, seconds: float) -> Cost:
    """Each caller: an intent, sealed; its outcome, sealed; again."""
    journal = await SqliteJournal.open(path)
    ids, waits = (f"{n:012x}" for n in count()), list[float]()
    until = time.perf_counter() + seconds

    async def caller() -> None:
        while time.perf_counter() < until:
            call_id = next(ids)
            for line in (
                record.intent(call_record(call_id), time.time_ns() // 1_000),
                record.outcome(call_id, time.time_ns() // 1_000, "ok", {"digest": "sha256:00"}),
            ):
                asked = time.perf_counter()
                await journal.append(line).sealed()
                waits.append(time.perf_counter() - asked)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    cost = _cost("journal", callers, waits, time.perf_counter() - began, time.process_time() - cpu)
    await journal.aclose()
    return cost


def bare(path: Path, callers: int, seconds: float) -> Cost:
    """The same bytes by executemany, one batch of `callers` rows per transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, call_id, kind, at, body)")
    rows, waits = _bare_rows(), list[float]()
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        batch = [next(rows) for _ in range(callers)]
        asked = time.perf_counter()
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO event (call_id, kind, at, body) VALUES (?,?,?,?)", batch
        )
        connection.execute("COMMIT")
        waits += [time.perf_counter() - asked] * callers
    cost = _cost("bare", callers, waits, time.perf_counter() - began, time.process_time() - cpu)
    connection.close()
    return cost


def _bare_rows() -> Iterator[tuple[str, str, int, bytes]]:
    first = record.intent(call_record("0" * 12), 1)
    later = record.outcome("0" * 12, 1, "ok", {"digest": "sha256:00"})
    bodies = [
        (line.kind.value, form.encode(line, "20261124T000000-1-00000000"))
        for line in (first, later)
    ]
    for n in count():
        for kind, body in bodies:
            yield f"{n:012x}", kind, n, body


def _cost(way: str, callers: int, waits: list[float], seconds: float, cpu: float) -> Cost:
    ordered = sorted(waits)
    rows = len(waits)
    p50, p99 = (round(ordered[int(q * (rows - 1))] * 1e6, 1) for q in (0.5, 0.99))
    return Cost(way, callers, round(rows / seconds), round(cpu / rows * 1e6, 2), p50, p99)


def measure(directory: Path, seconds: float) -> list[Cost]:
    """Every number of callers both ways, one right after the other."""
    costs = []
    for callers in CALLERS:
        with tempfile.TemporaryDirectory(dir=directory) as place:
            costs.append(bare(Path(place, "bare.db"), callers, seconds))
            costs.append(asyncio.run(through_journal(Path(place, "journal.db"), callers, seconds)))
    return costs


def main() -> None:
    given = options(__doc__, seconds=2.0, directory=Path.cwd(), json=False)
    costs = measure(given.directory, given.seconds)
    if given.json:
        print(json.dumps([asdict(cost) for cost in costs], indent=2))
        return
    print(
        f"{'way':<8} {'callers':>7} {'rows/s':>8} {'cpu us/row':>10} {'p50 us':>8} {'p99 us':>9}  ratio"
    )
    for plain, full in zip(costs[::2], costs[1::2], strict=True):
        for cost in (plain, full):
            ratio = cost.cpu_us_per_row / plain.cpu_us_per_row
            print(
                f"{cost.way:<8} {cost.callers:>7} {cost.rows_per_second:>8} {cost.cpu_us_per_row:>10}"
                f" {cost.wait_us_p50:>8} {cost.wait_us_p99:>9}  {ratio:.2f}"
            )


if __name__ == "__main__":
    main()
