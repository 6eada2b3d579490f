"""What it costs to ask a policy about recorded calls: `bulkhead policy replay`, the reading of the journal included.

    python -m benchmarks.replay [--calls 100000] [--json]

A journal is written of calls that the starter policy decided, by its own classifier and PDP: reads, writes
with levels, arguments that are all different, refusals. Then it is replayed against that very policy (no
difference may be found) and against one with a deny more (every call it hits must be found). Goal: 20,000
calls per second.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.options import options
from gateway.cli.reading import pages
from gateway.core import record
from gateway.core.describe import describe, with_others
from gateway.core.model import Outcome
from gateway.core.record import Line
from gateway.core.reverse import Level, Reversal
from gateway.core.written import intent_body
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.policy import PolicySnapshot, load
from gateway.policy.asking import Asked, Reply, ask, target
from gateway.policy.recalling import Recalling
from gateway.policy.rehearse import Rehearsal
from gateway.policy.replay import Replayed, replay

STARTER: Final = Path(__file__).parents[1] / "policies"
DENY: Final = "\np, D950, *, files, write_file, *, *, *, *, -, deny\n"
PATHS: Final = ("/srv/app/notes.md", "/srv/app/.profile", "/srv/app/.git/config", "/srv/b.txt")
GOAL: Final = 20_000

Asking = tuple[str, str, str, dict[str, Any]]


def asked(dice: random.Random, number: int) -> Asking:
    """Agent, server, tool and arguments: nine of ten of a kind the starter policy permits."""
    text = f"note {number} " + "x" * dice.randrange(400)
    return dice.choice(
        (
            ("agent:analyst", "git", "git_log", {"repo_path": "/srv/app", "max_count": number}),
            ("agent:analyst", "git", "git_show", {"repo_path": "/srv/app", "revision": text[:40]}),
            ("agent:analyst", "files", "read_text_file", {"path": f"/srv/app/{number}.md"}),
            ("agent:analyst", "memory", "search_nodes", {"query": text}),
            ("agent:demo", "time", "get_current_time", {"timezone": "Europe/Berlin"}),
            ("agent:demo", "git", "git_commit", {"repo_path": "/srv/app", "message": text}),
            ("agent:demo", "git", "git_create_branch", {"branch_name": f"topic/{number}"}),
            ("agent:demo", "files", "write_file", {"path": dice.choice(PATHS), "content": text}),
            ("agent:demo", "memory", "create_entities", {"entities": [{"name": text}]}),
            ("agent:climber", "git", "git_commit", {"repo_path": "/srv/app", "message": text}),
        )
    )


def written(policy: PolicySnapshot, number: int, asking: Asking) -> Iterator[Line]:
    """The lines a gateway would write of it."""
    agent, server, tool, arguments = asking
    reversal = Reversal(Level.EXACT, guard="locked-check")
    question = Asked(agent, target(server, tool), arguments, reversal=reversal)
    reply: Reply = ask(policy, question)
    decision, call_id = reply.decision, f"{number:026}"
    entry = describe(
        call_id,
        reply.classified or question.resolved(),
        arguments=arguments,
        arguments_digest="hmac-sha256:0",
        policy_version=policy.version,
        rule=decision.rule or "",
        where=decision.where,
    )
    if not decision.permitted:
        yield record.refusal(entry, number, str(decision.reason), decision.near_miss)
        return
    reads = reply.classified is not None and reply.classified.effect == "read"
    body = None if reads else intent_body(reversal, lambda value: {"sealed": "x"})
    yield record.intent(with_others(entry, decision), number, body)
    yield record.outcome(call_id, number, Outcome("ok").kind, {"digest": "sha256:0"})


async def fill(path: Path, policy: PolicySnapshot, calls: int) -> None:
    """A journal of so many calls."""
    dice = random.Random(20261128)
    journal = await SqliteJournal.open(path)
    for number in range(calls):
        pending = [journal.append(line) for line in written(policy, number, asked(dice, number))]
        if number % 500 == 499:
            await pending[-1].sealed()
    await journal.aclose()


@dataclass(frozen=True, slots=True)
class Row:
    """One replay, measured."""

    policy: str
    calls: int
    per_second: int
    per_cpu_second: int
    """The same of processor time: what else runs here counts less."""
    counts: Mapping[str, int]


def measured(name: str, policy: PolicySnapshot, path: Path) -> Row:
    """The best of three: what else the machine does only takes away."""
    best, cpu, done = 0.0, 0.0, Replayed()
    for _ in range(3):
        reader = SqliteReader(path)
        start, used = time.perf_counter(), time.process_time()
        done = replay(Rehearsal(policy, {}), Recalling(pages(reader), reader.opened))
        best = max(best, done.total / (time.perf_counter() - start))
        cpu = max(cpu, done.total / (time.process_time() - used))
        reader.close()
    counts = {str(kind): count for kind, count in done.counts.items()}
    return Row(name, done.total, round(best), round(cpu), counts)


def run(calls: int) -> list[Row]:
    """Both replays. Raises `SystemExit` when what they find is wrong: the figures would mean nothing."""
    with tempfile.TemporaryDirectory() as home:
        policies, path = Path(home, "policies"), Path(home, "journal.db")
        shutil.copytree(STARTER, policies)
        asyncio.run(fill(path, load(policies, {}), calls))
        same = measured("unchanged", load(policies, {}), path)
        with (policies / "policy.csv").open("a") as file:
            file.write(DENY)
        changed = measured("one deny more", load(policies, {}), path)
    if same.counts["same"] != calls or changed.counts["changed"] == 0 or changed.counts["untold"]:
        raise SystemExit(f"wrong: {same.counts} {changed.counts}")
    return [same, changed]


def main() -> None:
    given = options(__doc__, calls=100_000, json=False)
    rows = run(given.calls)
    if given.json:
        print(json.dumps([{**asdict(row), "goal": GOAL} for row in rows], indent=2))
        return
    print(f"{'policy':<16}{'calls':>9}{'calls/s':>10}{'per CPU s':>11}   goal {GOAL}/s")
    for row in rows:
        figures = f"{row.calls:>9}{row.per_second:>10}{row.per_cpu_second:>11}"
        print(f"{row.policy:<16}{figures}   {dict(row.counts)}")


if __name__ == "__main__":
    main()
