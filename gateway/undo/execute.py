"""Undoes what a plan says, with one line per finished call: the latest first, one after the other. Calls that were
tried out of turn go side by side, as many at once as order.py and the servers' limits allow; what does not come back so
goes in its turn. What was seen to be back before its turn is looked at once more in the end: keys may leave out that
two calls wrote one thing. A thread that was cut off is taken up where its lines end.

How one call is undone is undoing.py's. It decides no policy and knows no tool server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.core.reverse import Recorded
from gateway.undo import order
from gateway.undo.abreast import abreast, at_once
from gateway.undo.earlier import CHANGED, EARLIER
from gateway.undo.looking import Unsighted
from gateway.undo.overlapping import Nearest
from gateway.undo.parts import Parts
from gateway.undo.plan import TO_DO, Choice, Planned, left_as
from gateway.undo.thread import BACK, DONE, TAKEN_BACK, Begun, Found, Writer
from gateway.undo.undoing import Undoer

NO_MORE: Final = "it was seen to be as before the call, and is not any more"


@dataclass
class _Course:
    """One plan on its way."""

    entries: Sequence[Planned]
    verdicts: dict[str, Found]
    begun: Mapping[str, Begun]
    """What an earlier run has done of calls without a verdict."""
    early: set[str]
    """Calls whose verdict was given while those before them in the plan had none."""
    left: Nearest[str] = field(default_factory=Nearest)
    """Of the parts that are done with, what stays: where it wrote -> the call to begin with."""


class Executor:
    """Carries out plans of one journal."""

    def __init__(
        self,
        parts: Parts,
        undoer: Undoer,
        *,
        writer: Writer,
        choice: Choice,
        progress: Callable[[str], None],
    ) -> None:
        self._parts = parts
        self._undoer = undoer
        self._writer = writer
        self._choice = choice
        self._progress = progress

    async def run(
        self,
        entries: Sequence[Planned],
        found: Mapping[str, Found] | None = None,
        begun: Mapping[str, Begun] | None = None,
    ) -> dict[str, Found]:
        """The verdict of every entry, in their order. `found` and `begun`: what an earlier run came to.

        Raises `JournalError`: then nothing more was begun, and the thread can be taken up again."""
        course = _Course(entries, dict(found or {}), begun or {}, set(found or {}))
        may_precede = [entry.may_precede for entry in entries]
        for lot in order.lots([entry.call for entry in entries], may_precede):
            if len(lot) > 1:
                await self._ahead(course, lot)
            await self._in_turn(course, lot)
        await self._looked_at_again(course)
        await self._looked_at_last(entries, course.verdicts)
        return {entry.call.call_id: course.verdicts[entry.call.call_id] for entry in entries}

    async def _ahead(self, course: _Course, lot: range) -> None:
        """All that comes back side by side. What does not, while others that come before it are still to be undone, is
        left to its turn: it may need what no resource says, as a record that others refer to."""
        entries, verdicts = course.entries[lot.start : lot.stop], course.verdicts
        left, front = Nearest[str](), _Front(entries, verdicts)

        async def one(number: int) -> None:
            entry, call_id = entries[number], entries[number].call.call_id
            keys = entry.call.keys
            if call_id not in verdicts and not entry.at_last:
                found = self._stuck(entry, call_id)
                if found is None and not left.find(keys) and not course.left.find(keys):
                    is_its_turn = front.is_at(number)
                    came_to = await self._undone(course, lot[number])
                    is_over = is_its_turn or self._undoer.is_over(call_id, came_to)
                    found = came_to if is_over else None
                    if not is_its_turn:
                        course.early.add(call_id)
                if found is not None:
                    verdicts[call_id] = found
                    await self._writer.verdict(call_id, found)
            if _stays(entry, verdicts):
                left.add(keys, call_id)

        rooms = [entry.alone for entry in entries]
        waits = order.behind([entry.call for entry in entries], rooms)
        servers = {entry.call.record.server for entry in entries}
        await abreast(waits, at_once(self._parts.settings, servers), one)

    async def _in_turn(self, course: _Course, lot: range) -> None:
        """The rest, one after the other."""
        verdicts = course.verdicts
        for number in lot:
            entry = course.entries[number]
            call_id, keys = entry.call.call_id, entry.call.keys
            first = next(iter(course.left.find(keys)), call_id)
            if call_id not in verdicts and not entry.at_last:
                found = self._stuck(entry, first) or await self._undone(course, number)
                await self._writer.verdict(call_id, found)
                verdicts[call_id] = found
            if _stays(entry, verdicts):
                course.left.add(keys, first)

    async def _undone(self, course: _Course, number: int) -> Found:
        entry = course.entries[number]
        self._progress(f"call {number + 1} of {len(course.entries)}: {entry.call.record.target}")
        return await self._undoer.undone(entry, course.begun.get(entry.call.call_id))

    async def _looked_at_again(self, course: _Course) -> None:
        """Is what was seen to be back too early still back, now that all others have had their turn? What a call before
        it on the same resource has put back since is that one's."""
        again, back = list[Planned](), Nearest[Recorded]()
        for entry in reversed(course.entries):
            call, found = entry.call, course.verdicts.get(entry.call.call_id)
            if found is None or found.verdict not in BACK:
                continue
            is_early = call.call_id in course.early or entry.known_by == "look"
            if is_early and not back.find(call.keys):
                again.append(entry)
            back.add(call.keys, call)

        async def one(number: int) -> None:
            call = again[number].call
            found = await self._no_more(call, course.verdicts[call.call_id])
            if found is not None:
                await self._writer.verdict(call.call_id, found)
                course.verdicts[call.call_id] = found

        servers = {entry.call.record.server for entry in again}
        await abreast([()] * len(again), at_once(self._parts.settings, servers), one)

    async def _no_more(self, call: Recorded, found: Found) -> Found | None:
        """None: it is still back, or others have written there since."""
        was_undone = found.verdict in TAKEN_BACK
        try:
            sight = await self._parts.looker.sight(call)
            world = await self._parts.looker.look(call, sight)
        except Unsighted as blind:
            return Found("unverified" if was_undone else "failed", blind.why)
        if sight.pack.same(call.reversal.pre, world) or self._undoer.is_written_since(call):
            return None
        return Found("unverified" if was_undone else "conflict", NO_MORE)

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


def _stays(entry: Planned, verdicts: Mapping[str, Found]) -> bool:
    """Is something of it left in the world that keeps those before it as they are?"""
    found = verdicts.get(entry.call.call_id)
    return not entry.at_last if found is None else found.verdict not in DONE


class _Front:
    """The first call of a plan that has no verdict."""

    def __init__(self, entries: Sequence[Planned], verdicts: Mapping[str, Found]) -> None:
        self._entries = entries
        self._verdicts = verdicts
        self._at = 0

    def is_at(self, number: int) -> bool:
        """Have all before it one?"""
        while self._at < number and self._is_past(self._entries[self._at]):
            self._at += 1
        return self._at >= number

    def _is_past(self, entry: Planned) -> bool:
        return entry.at_last or entry.call.call_id in self._verdicts
