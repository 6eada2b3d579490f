"""From calls to a plan, by looking only: the journal, the policy, and the world through the packs' reads.

What is compared: the world now with the post-image (undo may begin), else with the pre-image (nothing
left to do). Neither: somebody was there since. Where a later call of the same plan wrote the same resource, a
look now tells nothing, for that call is still to be undone. Then its recorded pre-image stands for the
world, if both calls made the very same reads; else this call waits for its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gateway.core.act import FOR, outright, refusal
from gateway.core.model import Decision
from gateway.core.record import DOUBTFUL, State
from gateway.core.reverse import Captured, Image, Level, Recorded
from gateway.undo import order
from gateway.undo.abreast import abreast, at_once
from gateway.undo.apart import Apart
from gateway.undo.comparing import can_be_cancelled, compare
from gateway.undo.earlier import EARLIER, cancelled, explained, seen_before
from gateway.undo.exposure import Exposures
from gateway.undo.looking import Sight, Unsighted
from gateway.undo.overlapping import Nearest, Overlapping
from gateway.undo.parts import Parts
from gateway.undo.plan import (
    NOT_THERE,
    TO_DO,
    Plan,
    Planned,
    Standing,
    changed_nothing,
    few,
    latest,
    written_later,
)
from gateway.undo.scope import ReadCall, same_read
from gateway.undo.select import Wanted
from gateway.undo.taken_back import TakenBack
from gateway.undo.thread import undone_before
from gateway.undo.writers import Others
from gateway.values import replace

UNDOABLE: Final = frozenset({Level.COMPENSABLE, Level.SET_EXACT, Level.EXACT})
FAILED: Final = "it failed, and changed nothing"
UNTOUCHED: Final = frozenset({State.FAILED, State.REJECTED, State.NO_EFFECT, State.NOT_APPLIED})
"""It is on record that the call changed nothing."""


Known = tuple[Standing, str]
"""How a call stands, and why."""


@dataclass
class _World:
    """What the calls undone so far in the plan will have put back: what their reads will find then."""

    undone: TakenBack
    found: dict[str, list[tuple[ReadCall, Captured]]] = field(default_factory=dict)
    """By call."""

    def note(self, call_id: str, reads: Sequence[ReadCall], image: Image) -> None:
        """This call will have been undone: these reads will find its pre-image."""
        self.found[call_id] = [(read, image[read.name]) for read in reads if read.name in image]

    def image(self, reads: Sequence[ReadCall], last: str) -> Image | None:
        """What these reads will find once `last`, the last before them on that resource, is undone.

        None: it made other reads, so nobody can say."""
        image: dict[str, Captured] = {}
        for read in reads:
            for noted, captured in self.found.get(last, ()):
                if same_read(noted, read):
                    image[read.name] = captured
                    break
            else:
                return None
        return image


class _Later:
    """The calls planned so far that are in the world: who looks at one before them on a resource looks at those next
    to it, be they to be undone or left. Each holds up the ones before it that it wrote over."""

    def __init__(self) -> None:
        self._to_do = Nearest[tuple[int, Planned]]()
        self._left = Nearest[tuple[int, Planned]]()
        self._forced = Overlapping[str]()

    def add(self, number: int, entry: Planned) -> None:
        """`number`: its place in the plan. Those that overlap come in that order, others as their looks end."""
        kind = self._to_do if entry.standing in TO_DO else self._left
        kind.add(entry.call.keys, (number, entry))
        if entry.call.record.where.startswith(FOR):
            self._forced.add(entry.call.keys, entry.call.call_id)

    def next_to(self, call: Recorded) -> list[Planned]:
        """In the order of undoing."""
        found = self._to_do.find(call.keys) + self._left.find(call.keys)
        return [entry for _, entry in sorted(found, key=lambda each: each[0])]

    def is_forced(self, call: Recorded) -> bool:
        """Is one of all that wrote there later for what a forced undo overwrote?"""
        return bool(self._forced.find(call.keys))


class Planner:
    """Makes plans."""

    def __init__(self, parts: Parts, progress: Callable[[str], None]) -> None:
        """`progress` hears a sentence now and then."""
        self._parts = parts
        self._progress = progress
        self._apart = Apart(parts)

    async def plan(self, calls: Sequence[Recorded], wanted: Wanted, operator: str) -> Plan:
        """The plan for these calls, latest write first as `select` gives them. Writes nothing but the
        looks' own lines. Raises `JournalError`."""
        chosen = {call.call_id for call in calls}
        undone = undone_before(self._parts.reader)
        others = self._parts.ledger.others(lambda name: name in chosen or name in undone)
        exposures = Exposures(self._parts.reader, calls)
        world, there = _World(TakenBack(self._parts, undone)), _Later()
        planned = dict[int, Planned]()

        async def one(number: int) -> None:
            call = calls[number]
            self._progress(f"looking at call {number + 1} of {len(calls)}")
            before = there.next_to(call)
            entry = Planned(
                call,
                "ready",
                after=tuple(e.call.call_id for e in before),
                dependents=latest(self._parts.ledger.later_writers(call, others)),
                exposed=exposures.of(call),
                last_step=self._parts.ledger.last_step(call)[0],
            )
            entry = await self._standing(entry, before, world, operator)
            if entry.standing == "ready" and await world.undone.is_gone_with_others(call):
                entry = replace(entry, standing="already", why=EARLIER, known_by="undo")
            is_forced = partial(self._is_forced, there, others)
            entry = cancelled(seen_before(entry, undone, is_forced), undone)
            planned[number] = entry
            if entry.standing not in NOT_THERE:
                there.add(number, entry)

        waits = order.behind(calls, [call.keys for call in calls])
        servers = {call.record.server for call in calls}
        await abreast(waits, at_once(self._parts.settings, servers), one)
        entries = [planned[number] for number in range(len(calls))]
        return Plan(wanted.as_json(), operator, explained(entries))

    def _is_forced(self, there: _Later, others: Others, entry: Planned) -> bool:
        """Does one of the calls that wrote there later stand for what a forced undo overwrote?"""
        if entry.dependents:
            return self._parts.ledger.is_forced_later(entry.call, others)
        return there.is_forced(entry.call)

    async def _standing(
        self, entry: Planned, before: Sequence[Planned], world: _World, operator: str
    ) -> Planned:
        call = entry.call
        known = self._without_looking(call, operator)
        if known is not None and await self._is_there_after_all(entry, world.undone):
            known = (
                "drift",
                "it was said to have changed nothing, and all is as it would have made it",
            )
        if known is not None:
            return replace(entry, standing=known[0], why=known[1])
        try:
            sight = await self._parts.looker.sight(call)
            room = order.room(call, sight.pack, sight.scope)
            entry = replace(entry, room=room, proven=sight.pack.may_precede)
            seen = await self._seen(entry, before, world, sight)
            looked = seen.current is not None and call.call_id not in world.undone.verdicts
            return await self._apart.doubted(seen, sight) if looked else seen
        except Unsighted as blind:
            return replace(entry, standing=blind.standing, why=blind.why)

    async def _is_there_after_all(self, entry: Planned, undone: TakenBack) -> bool:
        """A call that was answered with a failure, and took effect later: nobody wrote there since, no undo
        either, and the world is as it would have made it, which it was not before."""
        call = entry.call
        if call.state not in UNTOUCHED or not call.reversal.pre or entry.after or entry.dependents:
            return False
        try:
            sight = await self._parts.looker.sight(call)
            current = await self._parts.looker.look(call, sight)
        except Unsighted:
            return False
        pack, pre, scope = sight.pack, call.reversal.pre, replace(sight.scope, post=None)
        if pack.same(pre, current) or pack.expect(replace(scope, cur=pre)) is True:
            return False
        there = pack.expect(replace(scope, cur=current)) is True
        return there and not await undone.left_it_so(call)

    def _without_looking(self, call: Recorded, operator: str) -> Known | None:
        """How a call stands by the journal and the policy alone; None when the world must be asked."""
        known = _on_record(call) or _without_way_back(call, self._parts.clock())
        if known is None or known[0] == "held":
            return self._not_allowed(call, operator) or known
        return known

    def _not_allowed(self, call: Recorded, operator: str) -> Known | None:
        """May this operator take all the steps that its undo takes?"""
        steps = [(step.server, step.tool, step.arguments) for step in call.reversal.steps or ()]
        if call.state is State.HELD:
            steps = [(call.record.server, "cancel", call.arguments or {})]
        for server, tool, arguments in steps:
            decision = self._parts.errands.permitted(server, tool, arguments, operator)
            if not outright(decision):
                return "refused", f"undo:{tool} on {server}: {_by(decision)}"
        return None

    async def _seen(
        self, entry: Planned, before: Sequence[Planned], world: _World, sight: Sight
    ) -> Planned:
        call, pre = entry.call, entry.call.reversal.pre
        if entry.after:
            current = world.image(sight.reads, entry.after[-1])
            stuck = [e for e in before if e.standing not in TO_DO]
        else:
            current, stuck = await self._parts.looker.look(call, sight), []
        seen = replace(entry, current=None if entry.after else current)
        if current is None and not stuck:
            if entry.dependents:
                return _depended(seen)
            world.note(call.call_id, sight.reads, pre)
            return replace(seen, standing="waits", why="looked at when its turn comes")
        if stuck:
            first = f"{few([e.call.call_id for e in stuck])} must be undone first, and is not"
            return replace(seen, standing="blocked", why=first)
        assert current is not None
        standing, why = compare(sight.pack, call, current, entry.dependents)
        if standing == "ready":
            world.note(call.call_id, sight.reads, pre)
        return replace(
            seen, standing=standing, why=why, known_by="look" if standing == "already" else ""
        )


def _on_record(call: Recorded) -> Known | None:
    """How it stands where its state says it, whatever the world is."""
    state = call.state
    if state is State.HELD:
        return "held", "it waits: it will not be sent"
    if state is State.CANCELLED:
        return "already", "it was held, and has never been sent"
    if state is State.INTENT:
        return "doubt", "it is under way"
    if state in DOUBTFUL and not can_be_cancelled(call.reversal):
        return "doubt", "looking did not tell what came of it: bulkhead journal settle"
    if state is State.NOT_APPLIED:
        return "not_applied", "it was in doubt, and was not done"
    if state is State.NO_EFFECT:
        return "nothing", changed_nothing(call)
    if call.left_nothing:
        return "nothing", call.reversal.why if call.reversal.level is Level.NOOP else FAILED
    if state in (State.FAILED, State.REJECTED):
        return "irreversible", "the tool server said it failed; the world was not looked at"
    return None


def _without_way_back(call: Recorded, now: int) -> Known | None:
    """How it stands where nothing can be put back, by what was found of it when it was made."""
    reversal = call.reversal
    if reversal.level is Level.NOOP:
        return "nothing", "it changed nothing"
    if reversal.level not in UNDOABLE or not reversal.steps:
        return "irreversible", reversal.why or f"level {reversal.level}"
    if reversal.undo_until is not None and reversal.undo_until <= now:
        return "irreversible", "the time in which it could be undone is over"
    return None


def _by(decision: Decision) -> str:
    if decision.rule and not decision.permitted:
        return f"{decision.rule} {decision.where}"
    return refusal(decision).detail or str(decision.reason)


def _depended(entry: Planned) -> Planned:
    return replace(entry, standing="dependents", why=written_later(entry.dependents))
