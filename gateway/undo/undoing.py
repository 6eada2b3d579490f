"""Undoes one call: leases what it held, looks again, compares, takes the steps, looks after each, and compares the last
look with the pre-image. It believes only what it reads.

What was cut off is taken up where its lines end. Nothing is ever sent twice, but a step that says it may be, and
only when it is not known whether it was done. It knows packs by the looker, tool servers by their port, and decides no
policy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.core.act import outright
from gateway.core.model import Outcome
from gateway.core.record import OUTCOME_STATE, State
from gateway.core.reverse import Image, Lease, Level, Recorded, Reversal, Step
from gateway.errors import Refused
from gateway.ports import Purpose
from gateway.reasons import Reason
from gateway.undo import order
from gateway.undo.abreast import Turns
from gateway.undo.comparing import compare
from gateway.undo.force import CannotForce, forced
from gateway.undo.looking import Sight, Unsighted
from gateway.undo.parts import Parts, held_calls
from gateway.undo.plan import UNDONE_AS, Choice, Planned, written_later
from gateway.undo.taken_up import taken_up
from gateway.undo.thread import DONE, Begun, Forced, Found, Writer
from gateway.undo.work import Stop, Work, not_done

TERM: Final = 900.0
"""Seconds a call's resources are leased for its undo at most."""
QUIESCE: Final = 5.0
"""Seconds they stay leased when this process is killed: a step may still be under way."""


class Undoer:
    """Undoes single calls of one journal. One undo's calls may be given side by side, where order.py allows it."""

    def __init__(
        self,
        parts: Parts,
        *,
        writer: Writer,
        operator: str,
        choice: Choice,
        tried: Callable[[str], Mapping[int, State]],
        forced: Callable[[str], Recorded | None],
        dependents: Callable[[Recorded], Sequence[str]],
        progress: Callable[[str], None],
    ) -> None:
        """`tried`: of a call, the steps an earlier run has an intent for and no compensation record: by
        number, the state of that step's own call. `forced`: the call that stands for what its forced undo
        overwrites, if an earlier run made one. `dependents`: who wrote there since, outside of the plan."""
        self._parts = parts
        self._writer = writer
        self._held = held_calls(parts)
        self._operator = operator
        self._choice = choice
        self._tried_before = tried
        self._forced = forced
        self._begun = dict[str, Begun]()
        """What this one has done of calls that have not come back."""
        self._sent_now = defaultdict[str, dict[int, State]](dict)
        self._forcing = set[str]()
        self._dependents = dependents
        self._progress = progress
        self._turns = Turns()

    def is_over(self, call_id: str, found: Found) -> bool:
        """Is that the last word on it? Else it can be undone once more, and is taken up where this has left it."""
        last = found.verdict in DONE or found.verdict in ("in_doubt", "refused")
        return last or call_id in self._forcing

    def is_written_since(self, call: Recorded) -> bool:
        """Has somebody else written there, by the journal?"""
        return bool(self._dependents(call))

    async def undone(self, entry: Planned, begun: Begun | None) -> Found:
        """One call, under leases on all that it held when it was made. Raises `JournalError`."""
        async with self._turns.beside():
            return await self._leased(entry, begun)

    async def _leased(self, entry: Planned, begun: Begun | None) -> Found:
        call, holder = entry.call, self._holder(entry.call)
        begun = self._begun.get(call.call_id, begun)
        if entry.standing == "held":
            return Found(*await self._held.withdraw(call.call_id, self._operator))
        alone = entry.alone
        try:
            leases = await self._parts.leases.take(
                holder, alone, order.shared(call, alone), term=TERM, quiesce=QUIESCE
            )
        except Refused as busy:
            return Found("failed", f"in use: {busy.detail}")
        after = QUIESCE  # whatever ends this, a step may still be under way
        try:
            found = await self._carried_out(entry, begun, leases)
            after = QUIESCE if found.verdict == "in_doubt" else 0.0
            return found
        finally:
            self._parts.leases.release(holder, after)

    async def _carried_out(
        self, entry: Planned, begun: Begun | None, leases: tuple[Lease, ...]
    ) -> Found:
        try:
            self._is_no_other_at(entry)
            work = await self._opened(entry, begun)
            if self._choice == "force":
                await self._force(work, leases)
            if self._is_to_do(work):
                await self._steps(work)
            found = _verified(work)
            if work.forced is not None and found.verdict in DONE:
                await self._writer.forced_done(work.forced, entry.call)
            return found
        except Stop as stop:
            return stop.found
        except Unsighted as blind:
            is_untouched = begun is None and not self._tried(entry.call)
            return Found("failed" if is_untouched else "unverified", blind.why)

    def _is_no_other_at(self, entry: Planned) -> None:
        """Another undo may have taken it back since the plan, and then what came before it: if that made what it had
        taken away, all looks as the call left it. Raises `Stop`."""
        seq, undo_id = self._parts.ledger.last_step(entry.call)
        if seq > entry.last_step and undo_id != self._writer.undo_id:
            raise Stop(Found("conflict", f"undo {undo_id} has begun to undo it since: plan again"))

    def _tried(self, call: Recorded) -> Mapping[int, State]:
        """Its steps without a line of their own, as far as they were sent."""
        return {**self._tried_before(call.call_id), **self._sent_now.get(call.call_id, {})}

    def _holder(self, call: Recorded) -> str:
        """Who holds its leases: the same when the undo is taken up."""
        return f"{self._writer.undo_id}.{call.call_id}"

    async def _opened(self, entry: Planned, begun: Begun | None) -> Work:
        sight = await self._parts.looker.sight(entry.call)
        world = await self._looked(entry.call, sight)
        return Work(entry, sight, begun or Begun(0, None), entry.call.reversal.steps or (), world)

    def _is_to_do(self, work: Work) -> bool:
        """True: take the steps. False: there is nothing left of it. Raises `Stop` on a conflict."""
        tried, forcing = self._tried(work.call), self._choice == "force"
        later = () if forcing else self._dependents(work.call)
        if work.begun.done or tried:
            if taken_up(work, tried):
                return False
            if later:
                raise Stop(Found("conflict", f"half undone, and {written_later(later)}"))
            return True
        standing, why = compare(work.sight.pack, work.call, work.world, later)
        if standing == "ready" or (standing == "drift" and forcing):
            return True
        raise Stop(Found(UNDONE_AS[standing], why))

    async def _force(self, work: Work, leases: tuple[Lease, ...]) -> None:
        """Makes the steps anew, from the world as it is; what they overwrite is on record, as a call that
        can itself be undone, before they are taken. Raises `Stop` when it could not be put back."""
        made = self._forced(work.call.call_id)
        begun = work.begun.done > 0 or bool(self._tried(work.call))
        if made is not None and (begun or work.sight.pack.same(made.reversal.pre, work.world)):
            work.steps, _ = self._made_anew(work, made.reversal.pre, leases)
            work.forced = Forced(made.call_id, made.reversal.pre, made.state)
            return
        if made is not None:
            await self._writer.forced_not_done(Forced(made.call_id, {}, made.state))
            raise Stop(Found("conflict", "changed once more since its forced undo was cut off"))
        if begun or compare(work.sight.pack, work.call, work.world)[0] != "drift":
            return
        call, args = work.call, work.sight.scope.args
        server = call.record.server
        if not outright(self._parts.errands.permitted(server, "force", args, self._operator)):
            raise Stop(Found("refused", f"undo:force on {server}"))
        work.steps, reversal = self._made_anew(work, work.world, leases)
        self._forcing.add(call.call_id)
        call_id = await self._writer.forced(self._operator, call, reversal)
        work.forced = Forced(call_id, work.world, State.INTENT)

    def _made_anew(
        self, work: Work, world: Image, leases: tuple[Lease, ...]
    ) -> tuple[tuple[Step, ...], Reversal]:
        try:
            return forced(work.sight.pack, work.sight.scope, work.call, world, leases)
        except CannotForce as no:
            raise Stop(Found("conflict", f"it cannot be forced: {no}")) from None

    async def _steps(self, work: Work) -> None:
        for number in range(work.begun.done + 1, len(work.steps) + 1):
            await self._step(work, number)

    async def _step(self, work: Work, number: int) -> None:
        """One inverse call and the line that says it is done. Raises `Stop` when it is not."""
        step, call, total = work.steps[number - 1], work.call, len(work.steps)
        if total > 1:  # else the call's own line says it, and where the undo is
            self._progress(f"  step {number} of {total}: {step.server} {step.tool}")
        call_id, outcome = await self._sent(call, step, number)
        if outcome.kind == "in_doubt":
            call_id, outcome = await self._doubted(work, number, call_id, outcome)
        world = await self._look(work)
        if outcome.kind != "ok" and not (number == total and work.is_back(world)):
            raise Stop(not_done(call, number, step, outcome))
        work.world = world
        image = world if number < total else None
        self._writer.step(call.call_id, number, total, call_id, outcome.kind, image)
        self._begun[call.call_id] = Begun(number, image)
        if number < total and not work.is_ours():
            raise Stop(
                Found("conflict", f"changed by somebody else after step {number} of {total}")
            )

    async def _sent(self, call: Recorded, step: Step, number: int) -> tuple[str, Outcome]:
        """One journaled forward, if the policy lets this operator and the call still has its leases. Raises `Stop`
        when it is not made."""
        body = {"undo_of": call.call_id, "step": number}
        claims = (self._parts.leases.claim(self._holder(call)),)
        purpose = Purpose(self._operator, self._writer.undo_id, body, claims)
        try:
            call_id, outcome, line = await self._parts.errands.act(
                step.server, step.tool, step.arguments, purpose
            )
            self._writer.owes(line)
            self._sent_now[call.call_id][number] = OUTCOME_STATE[outcome.kind]
            return call_id, outcome
        except Refused as no:
            if no.reason is Reason.OVERLOADED:
                raise Stop(Found("failed", "its leases ran out")) from None
            raise Stop(Found("refused", f"undo:{step.tool} on {step.server}: {no}")) from None

    async def _doubted(
        self, work: Work, number: int, call_id: str, outcome: Outcome
    ) -> tuple[str, Outcome]:
        """A step nobody heard back from: its server is stopped, the world is looked at.

        Raises `Stop` when that does not tell what came of it."""
        async with self._turns.alone():  # what others have under way there would end with it
            return await self._fenced(work, number, call_id, outcome)

    async def _fenced(
        self, work: Work, number: int, call_id: str, outcome: Outcome
    ) -> tuple[str, Outcome]:
        step = work.steps[number - 1]
        stopped = await self._parts.servers[step.server].fence()
        try:
            world = await self._parts.looker.look(work.call, work.sight)
        except Unsighted as blind:
            raise Stop(_unseen(blind)) from None
        if number == len(work.steps) and work.is_back(world):
            return call_id, Outcome("ok", {})
        if stopped and step.idempotent:
            return await self._sent(work.call, step, number)
        if stopped and work.sight.pack.same(work.world, world):
            raise Stop(Found("failed", f"step {number} was not done: {outcome.detail}"))
        raise Stop(Found("in_doubt", f"step {number}: {step.tool}: {outcome.detail}"))

    async def _look(self, work: Work) -> Image:
        try:
            return await self._looked(work.call, work.sight)
        except Unsighted as blind:
            raise Stop(_unseen(blind)) from None

    async def _looked(self, call: Recorded, sight: Sight) -> Image:
        """Once more, alone, where others were under way: their server may have ended under all of them. Raises
        `Unsighted`."""
        try:
            return await self._parts.looker.look(call, sight)
        except Unsighted:
            if not self._turns.are_several:
                raise
        async with self._turns.alone():
            return await self._parts.looker.look(call, sight)


def _unseen(blind: Unsighted) -> Found:
    return Found("unverified", f"it cannot be looked at: {blind.why}")


def _verified(work: Work) -> Found:
    """The last word is a reading's: the one after the last step."""
    reversal = work.call.reversal
    if not work.is_back(work.world):
        return Found("unverified", "its inverse calls were made, and it is not as it was before")
    stays = f"stays behind: {'; '.join(reversal.residue)}" if reversal.residue else ""
    return Found("compensated" if reversal.level is Level.COMPENSABLE else "restored", stays)
