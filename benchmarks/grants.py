"""What a spend costs beside the commit it is part of: 10,000 grants in chains of four, every kind of budget on.

    python -m benchmarks.grants [--grants 10000] [--seconds 1] [--json]

`spend` is the CPU of admission: everything the writer does for a spend that is not in the lines' own statement, per
call, at batches of 1, 16 and 64 calls: of one task, whose grants are the same, and of many tasks. In it is a call's
share of `fold`, the statement that brings the table up to date once in so many lines, two of them to a call, all
tasks by turns. `journal` is the CPU of a whole intent
with its spend less that of one without, per call, in turns within one run. `check` is the look at a chain of
four in memory at step 7. Absolute numbers are the machine's.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.journal import call_record
from benchmarks.options import options
from gateway.core import record
from gateway.core.grant import Give, Grant, Spend, Terms
from gateway.core.model import (
    Classified,
    ClientFacts,
    Effect,
    Endpoint,
    Era,
    Request,
    Resolved,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.errors import Where
from gateway.grants.book import GrantBook
from gateway.journals.ledger import LINES, Ledger
from gateway.journals.sqlite import SqliteJournal
from gateway.values import replace

DEPTH: Final = 4
BATCHES: Final = (1, 16, 64)
ROUNDS: Final = 12
TARGET_MS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU of one call's share."""

    what: str
    batch: int
    chains: str
    cpu_us: float


def chain(number: int) -> list[Grant]:
    """A root and three handed on below it, each with every kind of limit."""
    terms = Terms(
        tiers=frozenset({Tier.DATA, Tier.TOOL}),
        tools=("git/*",),
        uses=10**9,
        writes=10**9,
        bytes=10**12,
        per_minute=10_000_000,
        burst=10_000_000,
        seconds=86_400,
        idle=3_600,
    )
    made: list[Grant] = []
    for depth in range(1, DEPTH + 1):
        made.append(
            Grant(
                id=f"g{number:06}{depth}",
                tenant="local",
                agent=f"agent:a{depth}",
                task=f"t{number:06}{depth}",
                intent="general",
                terms=terms,
                parent=made[-1].id if made else "",
                root=f"g{number:06}1",
                depth=depth,
                root_task=f"t{number:06}1",
                created_by="operator:ada",
                created_at=time.time_ns() // 1_000,
            )
        )
    return made


def ids(number: int) -> tuple[str, ...]:
    """The chain of a leaf, its own grant first."""
    return tuple(f"g{number:06}{depth}" for depth in range(DEPTH, 0, -1))


async def give(journal: SqliteJournal, chains: int) -> None:
    """All of them, fifty lines to a commit."""
    numbers = count()
    for start in range(0, chains, 50):
        for depth in range(DEPTH):
            grants = [chain(n)[depth] for n in range(start, min(chains, start + 50))]
            lines = [
                record.noted(call_record(f"give-{next(numbers)}"), 1, {}, (Give(grant),))
                for grant in grants
            ]
            await asyncio.gather(*(journal.append(line).sealed() for line in lines))


def spends(batch: int, chains: Sequence[int]) -> list[Spend]:
    """One call of each of these chains."""
    now = time.time_ns() // 1_000
    return [Spend(ids(chains[n % len(chains)]), 1, 120, now) for n in range(batch)]


def admission(path: Path, chains: int, seconds: float) -> list[Cost]:
    """Without the commit after it, which is the lines'."""
    connection = sqlite3.connect(path, isolation_level=None)
    ledger = Ledger(connection)
    share = _folding(ledger, chains)
    costs = [Cost("fold", LINES // 2, "many", share)]
    for batch in BATCHES:
        alone = _each(ledger, batch, lambda: [7], seconds)
        mixed = _each(ledger, batch, lambda: random.sample(range(chains), 64), seconds)
        costs.append(Cost("spend", batch, "one", alone))
        costs.append(Cost("spend", batch, "many", mixed + share))
    connection.close()
    return costs


def _folding(ledger: Ledger, chains: int) -> float:
    calls = LINES // 2
    for _ in range(0, calls, 64):
        ledger.begin(sure=False)
        ledger.take(spends(64, random.sample(range(chains), 64)))
        ledger.commit([])
    ledger.begin(sure=False)
    began = time.thread_time_ns()
    ledger.fold()
    took = time.thread_time_ns() - began
    ledger.commit([])
    return took / calls / 1_000


def _each(ledger: Ledger, batch: int, pick: Callable[[], list[int]], seconds: float) -> float:
    took: list[float] = []
    until = time.perf_counter() + seconds / 2
    while time.perf_counter() < until:
        some = spends(batch, pick())
        ledger.begin(sure=False)
        began = time.thread_time_ns()
        ledger.take(some)
        took.append((time.thread_time_ns() - began) / batch / 1_000)
        ledger.commit([])
    return statistics.median(took)


async def through_journal(journal: SqliteJournal, chains: int, seconds: float) -> list[Cost]:
    """Intents with a spend and without, in turns, so that both see the same machine."""
    numbers, costs = count(), list[Cost]()
    for batch in BATCHES:
        differences = []
        for _ in range(ROUNDS):
            plain = await _sealed(journal, numbers, batch, chains, seconds / ROUNDS, spend=False)
            paid = await _sealed(journal, numbers, batch, chains, seconds / ROUNDS, spend=True)
            differences.append(paid - plain)
        costs.append(Cost("journal", batch, "many", statistics.median(differences)))
    return costs


async def _sealed(
    journal: SqliteJournal,
    numbers: count[int],
    batch: int,
    chains: int,
    seconds: float,
    spend: bool,
) -> float:
    """CPU of the whole process per line, in microseconds."""
    done, until = 0, time.perf_counter() + seconds
    began = time.process_time_ns()
    while time.perf_counter() < until:
        claims = spends(batch, random.sample(range(chains), 64))
        lines = []
        for claim in claims:
            line = record.intent(call_record(f"call-{next(numbers)}"), claim.at)
            lines.append(replace(line, claims=(claim,) if spend else ()))
        await asyncio.gather(*(journal.append(line).sealed() for line in lines))
        done += batch
    return (time.process_time_ns() - began) / done / 1_000


def check(journal: SqliteJournal, chains: int, seconds: float) -> Cost:
    """Step 7 for a leaf of a chain of four, among all grants in memory."""
    store = journal.grants()
    book = GrantBook(store, lambda: frozenset({Tier.DATA}), lambda: time.time_ns() // 1_000)
    book.refresh()
    calls = [_call(random.randrange(chains)) for _ in range(1_000)]
    took, until = list[float](), time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.thread_time_ns()
        for one in calls:
            book.cover(one)
        took.append((time.thread_time_ns() - began) / len(calls) / 1_000)
    store.close()
    return Cost("check", 1, "many", statistics.median(took))


def _call(number: int) -> Classified:
    identity = WorkloadIdentity(
        "urn:bench", f"agent:a{DEPTH}", "local", f"t{number:06}{DEPTH}", "general",
        frozenset(Tier), "jti", 2**40,
    )  # fmt: skip
    params = {"name": "git_log", "arguments": {"repo_path": "/srv/one"}}
    request = Request(
        Endpoint("all"), identity, Era.STATELESS, 1, "tools/call", params, ClientFacts("2026-07-28")
    )
    resolved = Resolved(request, Target("git", "tool", "git_log"), None, params)
    return Classified(resolved, Tier.DATA, Effect.READ, "local", Where("policies/tiers.yaml", 7))


async def measure(grants: int, seconds: float) -> list[Cost]:
    """Everything, in a directory that is gone afterwards."""
    chains = grants // DEPTH
    with tempfile.TemporaryDirectory(prefix="bulkhead-grants-") as directory:
        path = Path(directory) / "journal.db"
        async with aclosing(await SqliteJournal.open(path)) as journal:
            await give(journal, chains)
            found = [*admission(path, chains, seconds), check(journal, chains, seconds)]
            return found + await through_journal(journal, chains, seconds * 2)


def main() -> None:
    """Prints a table, or JSON."""
    given = options(__doc__.splitlines()[0], grants=10_000, seconds=1.0, json=False)
    costs = asyncio.run(measure(given.grants, given.seconds))
    if given.json:
        print(json.dumps([asdict(cost) for cost in costs], indent=2))
        return
    print(
        f"{given.grants} grants, chains of {DEPTH}; target {TARGET_MS} ms of CPU beside the commit"
    )
    for cost in costs:
        print(
            f"{cost.what:<10} batch {cost.batch:<5} {cost.chains:<5} {cost.cpu_us:8.1f} us of CPU"
        )


if __name__ == "__main__":
    main()
