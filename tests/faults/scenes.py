"""What a gateway process was doing when it died, beside plain calls and rollbacks: each is done in one life, and
taken up in the next by doing it again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from gateway.core import record
from gateway.core.fence import Fence
from gateway.core.grant import Give, Spend
from gateway.core.model import Answer
from gateway.core.record import State
from gateway.fences.desk import Desk
from gateway.fences.log import FenceLog
from gateway.journals.sqlite import SqliteJournal
from gateway.line.holding import Waiting
from gateway.nobody import NOBODY
from gateway.ports import CallFilter
from gateway.undo import keeping
from gateway.undo.deadlines import Deadlines
from gateway.undo.held import Waitings
from gateway.undo.outbox import Outbox
from gateway.undo.report import Report
from gateway.undo.rollback import Rollback
from gateway.undo.select import Wanted
from gateway.values import replace
from tests.grants.given import NOON, grant
from tests.journals.calls import call_record, intent
from tests.undo.rig import Rig

PERSON = "a person's"
PURSE = "g1"
SPENDS = 3
SHOUTS = 5


def said(here: Path, **words: object) -> None:
    """What came of this life, for who buries it."""
    (here / "said").write_text(json.dumps(words))


async def forced(rig: Rig, here: Path) -> None:
    """The call that made a record somebody has changed since is undone all the same."""
    rollback = rig.rollback()
    [made] = [
        row
        for row in rig.calls()
        if (row.record.agent, row.record.target) == ("agent:a", "put")
        and row.record.arguments["key"] == "new"
    ]
    report: Report | None = None
    for undo_id in rollback.unfinished():
        report = await rollback.resume(undo_id)
    if report is None:
        plan = await rollback.plan(Wanted(calls=(made.record.call_id,)))
        report = await rollback.execute(plan, "force")
    said(here, verdict=report.found[made.record.call_id].verdict, of=made.record.call_id)


async def unforced(rig: Rig, here: Path) -> None:
    """What the forced undo overwrote is put back."""
    about = f"for call {json.loads((here / 'said').read_text())['of']}"
    [stands_for] = [
        row.record.call_id
        for row in rig.calls()
        if row.record.agent == "operator:o" and row.record.where == about
    ]
    said(here, verdicts=list((await rig.undo(stands_for)).values()))


async def hold(rig: Rig, here: Path) -> None:
    """An agent's call that is kept back."""
    await rig.ask("store", "post", {"text": "hello"}, task="t1")


async def send(rig: Rig, here: Path) -> None:
    """What waits is sent when its time has come."""

    async def one(waiting: Waiting) -> Answer:
        return await rig.line.send(waiting, NOBODY)

    outbox = Outbox(Waitings(rig.reader, rig.parts.protector), one, rig.parts.clock)
    while rig.reader.calls(CallFilter(state=State.HELD), 1):
        await outbox.look()
        await outbox.settled()
        await anyio.sleep(0.01)
    posts = [row for row in rig.calls() if row.record.target == "post"]
    said(here, states={row.record.call_id: str(row.state) for row in posts})


async def shout(rig: Rig, here: Path) -> None:
    """Writes without a pack: from the third on, each has its lease with its intent."""
    for _ in range(SHOUTS):
        await rig.ask("store", "shout", {"text": "hello"}, task="loud")
    calls = [rig.reader.lines(row.record.call_id) for row in reversed(rig.calls())]
    leases = [first.said["body"]["undo"]["leases"] for first, *_ in calls]
    said(here, calls=[first.call_id for first, *_ in calls], epochs=[one for [[_, one]] in leases])


async def begin(rig: Rig, here: Path) -> None:
    """A task that is undone unless somebody confirms it in a second."""
    Deadlines(here).begin("t1", "operator:o", rig.parts.clock(), 1)


async def kept(rig: Rig, here: Path) -> None:
    """Nobody has."""
    deadlines = Deadlines(here)
    point, save = rig.store.point, deadlines._save  # type: ignore[attr-defined]

    def saved(promise: object) -> object:
        point("before the promise")
        done = save(promise)  # type: ignore[arg-type]
        point("after the promise")
        return done

    deadlines._save = saved  # type: ignore[method-assign, assignment]

    @asynccontextmanager
    async def opener(operator: str) -> AsyncIterator[Rollback]:
        yield rig.rollback(operator)

    while (promise := deadlines.find("t1")) is not None and promise.stand == "open":
        await keeping.keep(deadlines, opener, promise.deadline + 1)
        await anyio.sleep(0.005)
    assert promise is not None
    said(here, stand=promise.stand, why=promise.why)


async def contain(rig: Rig, here: Path) -> None:
    """An operator stops an agent: fence, grants, and what it did is taken back."""
    journal, log = rig.journal, FenceLog(here)
    assert isinstance(journal, SqliteJournal)
    grants = journal.grants()
    point = rig.store.point  # type: ignore[attr-defined]
    fence = Fence("task", "t1", "operator:o", "it runs wild", rig.parts.clock())
    point("before the fence")
    log.fence(fence)
    point("after the fence")
    desk = Desk(
        log=log,
        journal=journal,
        reader=rig.reader,
        grants=grants,
        tickets=journal.tickets(),
        protector=rig.parts.protector,
        tenant="local",
        clock=rig.parts.clock,
        new_call_id=rig.parts.new_call_id,
    )
    contained = await desk.contain(log.read())
    rollback = rig.rollback()
    reports = [await rollback.resume(undo_id) for undo_id in rollback.unfinished()]
    if not reports:
        plan = await rollback.plan(Wanted(tasks=("t1",)))
        reports = [await rollback.execute(plan, "refuse")]
    found = {call: one.verdict for report in reports for call, one in report.found.items()}
    stands = grants.find(PURSE)
    word = "" if stands is None else stands.word(rig.parts.clock())
    fences = [str(each) for each in log.read()]
    said(here, fences=fences, under_way=contained.under_way, found=found, grant=word)
    grants.close()
    log.close()


async def give(rig: Rig, here: Path) -> None:
    """A grant for the task, with a budget."""
    given = replace(grant(PURSE, uses=100), agent="agent:a", tenant="local", task="t1")
    line = record.noted(call_record("given"), NOON, {}, (Give(given),))
    await rig.journal.append(line).sealed()


async def spend(rig: Rig, here: Path) -> None:
    """Calls that take from a budget with their intents."""
    before = len(rig.reader.calls(CallFilter(task="spent"), 1_000))
    for number in range(SPENDS):
        line = intent(f"spent-{before + number}", task="spent")
        await rig.journal.append(replace(line, claims=(Spend((PURSE,), 1, 10, NOON),))).sealed()
    store = rig.journal.grants()
    stands = store.find(PURSE)
    store.close()
    assert stands is not None
    calls = len(rig.reader.calls(CallFilter(task="spent"), 1_000))
    said(here, used=stands.used, calls=calls)


SCENES = {
    "forced": forced,
    "unforced": unforced,
    "hold": hold,
    "send": send,
    "shout": shout,
    "begin": begin,
    "kept": kept,
    "contain": contain,
    "give": give,
    "spend": spend,
}
