"""Undoes what a plan says, call by call, with one line per finished step, and believes only what it reads.

For each call: lease what it wrote, look again, compare, take the steps, look after each, and compare the
last look with the pre-image. A thread that was cut off is taken up where its lines end. Nothing is ever
sent twice, but a step that says it may be, and only when it is not known whether it was done.

It knows packs by the planner's looker, tool servers by their port, and decides no policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.core.model import Outcome
from gateway.core.record import State
from gateway.core.reverse import Image, Lease, Level, Recorded, Reversal, Step, server_key
from gateway.errors import Refused
from gateway.ports import Purpose
from gateway.undo.comparing import compare
from gateway.undo.earlier import CHANGED, EARLIER
from gateway.undo.force import CannotForce, forced
from gateway.undo.looking import Unsighted
from gateway.undo.overlapping import Nearest
from gateway.undo.parts import Parts, held_calls
from gateway.undo.plan import TO_DO, UNDONE_AS, Choice, Planned, left_as, written_later
from gateway.undo.taken_up import taken_up
from gateway.undo.thread import BACK, DONE, Begun, Forced, Found, Writer
from gateway.undo.work import Stop, Work, not_done

TERM: Final = 900.0
"""Seconds a call's resources are leased for its undo at most."""
QUIESCE: Final = 5.0
"""Seconds they stay leased when this process is killed: a step may still be under way."""


class Executor:
    """Carries out plans of one journal."""

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
        self._tried = tried
        self._forced = forced
        self._dependents = dependents
        self._progress = progress

    async def run(
        self,
        entries: Sequence[Planned],
        found: Mapping[str, Found] | None = None,
        begun: Mapping[str, Begun] | None = None,
    ) -> dict[str, Found]:
        """The verdict of every entry, in their order. `found` and `begun`: what an earlier run came to.

        Raises `JournalError`: then nothing more was done, and the thread can be taken up again."""
        verdicts, left = dict(found or {}), Nearest[str]()
        for number, entry in enumerate(entries, 1):
            call_id, keys = entry.call.call_id, entry.call.keys
            if entry.at_last and call_id not in verdicts:
                continue
            first = next(iter(left.find(keys)), call_id)
            if call_id not in verdicts:
                self._progress(f"call {number} of {len(entries)}: {entry.call.record.target}")
                one = self._stuck(entry, first)
                if one is None:
                    one = await self._undone(entry, (begun or {}).get(call_id))
                await self._writer.verdict(call_id, one)
                verdicts[call_id] = one
            if verdicts[call_id].verdict not in DONE:
                left.add(keys, first)
        await self._looked_at_last(entries, verdicts)
        return {entry.call.call_id: verdicts[entry.call.call_id] for entry in entries}

    async def _looked_at_last(self, entries: Sequence[Planned], verdicts: dict[str, Found]) -> None:
        """What an earlier undo has taken back, once what came later is undone: the earliest first, and written
        down the latest first, for that one rests on those before it when this is cut off."""
        last, back = dict[str, Found](), Nearest[Recorded]()
        for entry in reversed(entries):
            call = entry.call
            if entry.at_last and call.call_id not in verdicts:
                last[call.call_id] = await self._still_back(call, back)
            if (verdicts.get(call.call_id) or last[call.call_id]).verdict in BACK:
                back.add(call.keys, call)
        for call_id, found in reversed(last.items()):
            await self._writer.verdict(call_id, found)
            verdicts[call_id] = found

    async def _still_back(self, call: Recorded, back: Nearest[Recorded]) -> Found:
        """`back`: calls before it that are as they were."""
        try:
            sight = await self._parts.looker.sight(call)
            world = await self._parts.looker.look(call, sight)
        except Unsighted as blind:
            return Found("failed", blind.why)
        same = sight.pack.same(call.reversal.pre, world)
        if same or back.find(call.keys):
            return Found("already", EARLIER)
        return Found("conflict", CHANGED)

    def _stuck(self, entry: Planned, first: str) -> Found | None:
        """What is left as it is, and why; None for what is to be undone. `first`: of those that are left and wrote
        there later, the one to begin with; else the call itself."""
        forced = self._choice == "force" and entry.standing in ("drift", "dependents")
        if entry.standing not in TO_DO and not forced and entry.standing != "blocked":
            return Found(left_as(entry), entry.why)
        if first != entry.call.call_id:
            return Found("conflict", f"{first} must be undone first, and is not")
        return None

    async def _undone(self, entry: Planned, begun: Begun | None) -> Found:
        """One call, under leases on all it wrote."""
        call, holder = entry.call, self._holder(entry.call)
        if entry.standing == "held":
            return Found(*await self._held.withdraw(call.call_id, self._operator))
        whole = server_key(call.record.server)
        shared = () if whole in call.keys else (whole,)
        try:
            leases = await self._parts.leases.take(
                holder, call.keys, shared, term=TERM, quiesce=QUIESCE
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
            return Found("failed" if begun is None else "unverified", blind.why)

    def _holder(self, call: Recorded) -> str:
        """Who holds its leases: the same when the undo is taken up."""
        return f"{self._writer.undo_id}.{call.call_id}"

    async def _opened(self, entry: Planned, begun: Begun | None) -> Work:
        sight = await self._parts.looker.sight(entry.call)
        world = await self._parts.looker.look(entry.call, sight)
        return Work(entry, sight, begun or Begun(0, None), entry.call.reversal.steps or (), world)

    def _is_to_do(self, work: Work) -> bool:
        """True: take the steps. False: there is nothing left of it. Raises `Stop` on a conflict."""
        tried, forcing = self._tried(work.call.call_id), self._choice == "force"
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
        begun = work.begun.done > 0 or bool(self._tried(work.call.call_id))
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
        if not self._parts.errands.permitted(server, "force", args, self._operator).permitted:
            raise Stop(Found("refused", f"undo:force on {server}"))
        work.steps, reversal = self._made_anew(work, work.world, leases)
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
        if not await self._parts.leases.held(self._holder(call)):
            raise Stop(Found("failed", "its leases ran out"))
        call_id, outcome = await self._sent(call, step, number)
        if outcome.kind == "in_doubt":
            call_id, outcome = await self._doubted(work, number, call_id, outcome)
        world = await self._look(work)
        if outcome.kind != "ok" and not (number == total and work.is_back(world)):
            raise Stop(not_done(call, number, step, outcome))
        work.world = world
        image = world if number < total else None
        self._writer.step(call.call_id, number, total, call_id, outcome.kind, image)
        if number < total and not work.is_ours():
            raise Stop(
                Found("conflict", f"changed by somebody else after step {number} of {total}")
            )

    async def _sent(self, call: Recorded, step: Step, number: int) -> tuple[str, Outcome]:
        """One journaled forward, if the policy lets this operator. Raises `Stop` when it does not."""
        undo_id = self._writer.undo_id
        purpose = Purpose(self._operator, undo_id, {"undo_of": call.call_id, "step": number})
        try:
            return await self._parts.errands.act(step.server, step.tool, step.arguments, purpose)
        except Refused as no:
            raise Stop(Found("refused", f"undo:{step.tool} on {step.server}: {no}")) from None

    async def _doubted(
        self, work: Work, number: int, call_id: str, outcome: Outcome
    ) -> tuple[str, Outcome]:
        """A step nobody heard back from: its server is stopped, the world is looked at.

        Raises `Stop` when that does not tell what came of it."""
        step = work.steps[number - 1]
        stopped = await self._parts.servers[step.server].fence()
        world = await self._look(work)
        if number == len(work.steps) and work.is_back(world):
            return call_id, Outcome("ok", {})
        if stopped and step.idempotent:
            return await self._sent(work.call, step, number)
        if stopped and work.sight.pack.same(work.world, world):
            raise Stop(Found("failed", f"step {number} was not done: {outcome.detail}"))
        raise Stop(Found("in_doubt", f"step {number}: {step.tool}: {outcome.detail}"))

    async def _look(self, work: Work) -> Image:
        try:
            return await self._parts.looker.look(work.call, work.sight)
        except Unsighted as blind:
            raise Stop(Found("unverified", f"it cannot be looked at: {blind.why}")) from None


def _verified(work: Work) -> Found:
    """The last word is a reading's: the one after the last step."""
    reversal = work.call.reversal
    if not work.is_back(work.world):
        return Found("unverified", "its inverse calls were made, and it is not as it was before")
    stays = f"stays behind: {'; '.join(reversal.residue)}" if reversal.residue else ""
    return Found("compensated" if reversal.level is Level.COMPENSABLE else "restored", stays)
