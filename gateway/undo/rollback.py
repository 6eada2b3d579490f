"""Taking calls back, from a scope to a report: select, plan, execute, or take up what was cut off.

The order is the design's: nothing is done that was not planned, and a plan that is out of date is made
anew, never carried out. It knows the other rooms of undo and the ports.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from gateway.core.act import FOR, UNDO
from gateway.core.model import Effect, JsonObject
from gateway.core.record import DOUBTFUL, State
from gateway.core.reverse import Recorded
from gateway.errors import Refused
from gateway.ports import CallFilter, CallRow
from gateway.reasons import Reason
from gateway.undo import plan as plans
from gateway.undo.execute import Executor
from gateway.undo.ledger import MANY
from gateway.undo.parts import Parts
from gateway.undo.plan import TO_DO, Choice, Plan, Planned, left_as
from gateway.undo.planner import Planner
from gateway.undo.replan import replanned
from gateway.undo.report import Report
from gateway.undo.select import Selector, Wanted
from gateway.undo.settling import Settler
from gateway.undo.settling import Writer as Writing
from gateway.undo.thread import (
    Found,
    Thread,
    Writer,
    open_threads,
    read,
    undone_before,
)
from gateway.undo.undoing import Undoer
from gateway.values import replace

HOUR: Final = 3_600.0


class Rollback:
    """Takes calls of one journal back."""

    def __init__(
        self, parts: Parts, operator: str, progress: Callable[[str], None] = lambda said: None
    ) -> None:
        """`operator`: `operator:<name>`, whom the policy is asked about."""
        self._parts = parts
        self._operator = operator
        self._progress = progress
        self._planner = Planner(parts, progress)

    def unfinished(self, wanted: Wanted | None = None) -> list[str]:
        """Undos that were cut off, oldest first, of this scope or any; one that runs right now is among
        them."""
        parts = self._parts
        rows = open_threads(parts.reader)
        if wanted is not None:
            scope = wanted.as_json()
            rows = [row for row in rows if read(parts.reader, parts.protector, row).scope == scope]
        return [row.record.call_id for row in rows]

    def with_subtree(self, wanted: Wanted) -> Wanted:
        """The same, with all grants below those it names. Raises `JournalError`."""
        return wanted.with_children(self._parts.parents())

    async def plan(self, wanted: Wanted, replan: bool = False) -> Plan:
        """What would be done, as the world is now. Calls in doubt are settled first, by looking.
        `replan`: with steps worked out anew, by the packs in force.

        Raises `Refused`, `JournalError`, `ValueError`."""
        selector = Selector(self._parts.reader, self._parts.ledger)
        selected = selector.select(wanted)
        if await self._settle([call for call in selected.calls if call.state in DOUBTFUL]):
            selected = selector.select(wanted)
        calls = selected.calls
        anew = await self._replanned(calls, None) if replan else calls
        plan = await self._planner.plan(anew, wanted, self._operator)
        changed = {
            new.call_id: new.reversal.pack
            for new, old in zip(anew, calls, strict=True)
            if new is not old
        }
        return replace(plan, replanned=changed, untold=selected.untold)

    async def _replanned(
        self, calls: Sequence[Recorded], by: Mapping[str, str] | None
    ) -> list[Recorded]:
        """`by`: only these calls, each by its pack; None: all that can be."""
        if by is None:
            return [await replanned(self._parts.looker, call) for call in calls]
        return [
            await replanned(self._parts.looker, call, by[call.call_id])
            if call.call_id in by
            else call
            for call in calls
        ]

    def names(self, report: Report) -> dict[str, str]:
        """What each call of a report was: its server and its tool."""
        rows = ((call, self._parts.reader.call(call)) for call in report.found)
        return {c: f"{row.record.server} {row.record.target}" for c, row in rows if row is not None}

    def told(self, plan: Plan) -> JsonObject:
        """The plan for programs, signed."""
        return plans.as_json(plan, self._parts.signer)

    def believed(self, plan: JsonObject) -> bool:
        """Did this installation make and sign that plan?"""
        return plans.is_ours(plan, self._parts.signer)

    async def _settle(self, doubts: Sequence[Recorded]) -> bool:
        """Fence, probe, settle. True: something is known now that was not."""
        settling, settled = Settler(self._parts), False
        for number, call in enumerate(doubts, 1):
            self._progress(f"call in doubt {number} of {len(doubts)}: {call.record.target}")
            writer: Writing = "gone" if self._parts.is_gone(call.run) else "theirs"
            finding = await settling.settle(call, writer)
            settled = settled or finding.state is not call.state
        return settled

    async def execute(self, plan: Plan, choice: Choice) -> Report:
        """Does what the plan says. With conflicts and `refuse` nothing is done. Raises `JournalError`:
        what is left can then be taken up with `resume`."""
        left = {e.call.call_id: Found(left_as(e), e.why) for e in plan.entries}
        if choice == "refuse" and plan.conflicts:
            waiting = {
                e.call.call_id: Found("conflict", "nothing was done: there are conflicts")
                for e in plan.entries
                if e.standing in TO_DO
            }
            why = f"{len(plan.conflicts)} calls are in conflict"
            return Report("", {**left, **waiting}, why, plan.untold)
        if not _is_anything_to_do(plan, choice):
            return Report("", left, untold=plan.untold)
        undo_id = self._parts.new_call_id()
        writer = self._writer(undo_id)
        arguments = {
            "of": [entry.call.call_id for entry in plan.entries],
            "plan": plan.digest,
            **plans.signature(plan.digest, self._parts.signer),
            "replanned": dict(plan.replanned),
            "choice": choice,
            "scope": plan.scope,
        }
        async with self._alone(undo_id):
            version = self._parts.policies.current.version
            await writer.begin(self._operator, self._parts.tenant, arguments, version)
            return await self._run(writer, plan.entries, choice, None, plan.untold)

    async def resume(self, undo_id: str) -> Report:
        """Takes an undo up where its lines end. Raises `Refused` (unknown_target), `JournalError`,
        `ValueError`."""
        row = self._parts.reader.call(undo_id)
        if row is None or row.record.method != UNDO:
            raise Refused(Reason.UNKNOWN_TARGET, f"no undo {undo_id}")
        async with self._alone(row.record.call_id):
            thread = read(self._parts.reader, self._parts.protector, row)
            if thread.ended:
                raise Refused(Reason.UNKNOWN_TARGET, f"undo {thread.undo_id} has ended")
            entries = await self._planned_again(thread)
            choice: Choice = "force" if thread.choice == "force" else "skip"
            writer = self._writer(thread.undo_id)
            await self._quiet(thread.undo_id)
            selector = Selector(self._parts.reader, self._parts.ledger)
            untold = selector.untold(Wanted.of_json(thread.scope))
            return await self._run(writer, entries, choice, thread, untold)

    async def _planned_again(self, thread: Thread) -> tuple[Planned, ...]:
        """The calls in their order; those that were under way are looked at by the executor alone."""
        recorded = [self._recorded(call) for call in thread.of]
        calls = await self._replanned(recorded, thread.replanned)
        tried = self._tried(thread.undo_id, thread.made)
        cut = (thread.begun.keys() | tried.keys()) - thread.found.keys()
        rest = [call for call in calls if call.call_id not in thread.found]
        plan = await self._planner.plan(rest, Wanted(calls=thread.of), self._operator)
        planned = {entry.call.call_id: entry for entry in plan.entries}
        return tuple(
            replace(planned[call.call_id], standing="ready")
            if call.call_id in cut
            and planned[call.call_id].standing != "refused"
            and planned[call.call_id].known_by != "undo"
            else planned.get(call.call_id, Planned(call, "nothing"))
            for call in calls
        )

    def _recorded(self, call_id: str) -> Recorded:
        found = self._parts.ledger.recorded(call_id)
        if found is None:
            raise Refused(Reason.UNKNOWN_TARGET, f"no call {call_id}")
        return found

    async def _run(
        self,
        writer: Writer,
        entries: tuple[Planned, ...],
        choice: Choice,
        thread: Thread | None,
        untold: tuple[str, ...],
    ) -> Report:
        """`thread`: what an earlier run came to."""
        parts, chosen = self._parts, {entry.call.call_id for entry in entries}
        undone = undone_before(parts.reader)
        tried = self._tried(writer.undo_id, thread.made) if thread is not None else {}
        others = parts.ledger.others(lambda name: name in chosen or name in undone)
        undoer = Undoer(
            parts,
            writer=writer,
            operator=self._operator,
            choice=choice,
            tried=lambda call: tried.get(call, {}),
            forced=self._forced(writer.undo_id).get,
            dependents=lambda call: plans.latest(parts.ledger.later_writers(call, others)),
            progress=self._progress,
        )
        executor = Executor(parts, undoer, writer=writer, choice=choice, progress=self._progress)
        verdicts = (
            await executor.run(entries, thread.found, thread.begun)
            if thread is not None
            else await executor.run(entries)
        )
        report = Report(writer.undo_id, verdicts, untold=untold)
        await writer.end(report.summary, verdicts)
        return report

    def _tried(self, undo_id: str, made: frozenset[str]) -> dict[str, dict[int, State]]:
        """The steps this undo has forwarded until now, but those that are on record as `made`: by call and number,
        how each stands."""
        tried: dict[str, dict[int, State]] = {}
        for row in self._made_by(undo_id):
            body = self._begun_with(row) if row.record.call_id not in made else {}
            if "undo_of" in body:
                tried.setdefault(body["undo_of"], {})[body["step"]] = row.state
        return tried

    def _forced(self, undo_id: str) -> dict[str, Recorded]:
        """The calls this undo has made for what it overwrites: by the call whose undo was forced."""
        made = [
            self._parts.ledger.of(row)
            for row in self._made_by(undo_id)
            if row.record.where.startswith(FOR)
            and row.state not in (State.NOT_APPLIED, State.REJECTED)
            and "undo_of" not in self._begun_with(row)
        ]
        return {one.record.where.removeprefix(FOR): one for one in made}

    def _made_by(self, undo_id: str) -> Iterator[CallRow]:
        """Its own calls, oldest first; not its thread."""
        for row in reversed(self._parts.reader.calls(CallFilter(task=undo_id), MANY)):
            if row.record.method != UNDO and row.record.effect != Effect.READ:
                yield row

    def _begun_with(self, row: CallRow) -> JsonObject:
        """What a call's first line says."""
        body: JsonObject = self._parts.reader.lines(row.record.call_id)[0].said["body"]
        return body

    async def _quiet(self, undo_id: str) -> None:
        """A step an earlier run heard nothing of may still be under way: its server's time is waited for."""
        for row in self._made_by(undo_id):
            if row.state in DOUBTFUL | {State.INTENT}:
                step = self._parts.ledger.of(row)
                self._progress(f"a step may be under way at {row.record.server}: it is waited for")
                await Settler(self._parts).over(step, self._parts.is_gone(step.run))

    def _writer(self, undo_id: str) -> Writer:
        parts = self._parts
        return Writer(parts.journal, parts.protector, parts.clock, parts.new_call_id, undo_id)

    @asynccontextmanager
    async def _alone(self, undo_id: str) -> AsyncIterator[None]:
        """Nobody else carries this undo out meanwhile. Raises `Refused` (overloaded)."""
        holder = self._parts.new_call_id()
        await self._parts.leases.take(holder, (f"undo:/{undo_id}",), term=24 * HOUR, quiesce=1.0)
        try:
            yield
        finally:
            self._parts.leases.release(holder)


def _is_anything_to_do(plan: Plan, choice: Choice) -> bool:
    """A refusal by policy is something: it is on record."""
    some = TO_DO | {"refused"} | ({"drift", "dependents"} if choice == "force" else set())
    return any(entry.standing in some for entry in plan.entries)
