"""Undoes what a plan says, as many calls at once as order.py and the servers' limits allow, with one line per finished
call. A thread that was cut off is taken up where its lines end.

How one call is undone is undoing.py's. It decides no policy and knows no tool server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.core.record import State
from gateway.core.reverse import Recorded
from gateway.undo import order
from gateway.undo.abreast import Turns, abreast, at_once
from gateway.undo.earlier import CHANGED, EARLIER
from gateway.undo.looking import Unsighted
from gateway.undo.overlapping import Nearest
from gateway.undo.parts import Parts
from gateway.undo.plan import TO_DO, Choice, Planned, left_as
from gateway.undo.thread import BACK, DONE, Begun, Found, Writer
from gateway.undo.undoing import Undoer


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
        """`tried`, `forced` and `dependents` as `Undoer` has them."""
        self._parts = parts
        self._writer = writer
        self._choice = choice
        self._progress = progress
        self._turns = Turns()
        self._undoer = Undoer(
            parts,
            writer=writer,
            operator=operator,
            choice=choice,
            tried=tried,
            forced=forced,
            dependents=dependents,
            progress=progress,
            turns=self._turns,
        )

    async def run(
        self,
        entries: Sequence[Planned],
        found: Mapping[str, Found] | None = None,
        begun: Mapping[str, Begun] | None = None,
    ) -> dict[str, Found]:
        """The verdict of every entry, in their order. `found` and `begun`: what an earlier run came to.

        Raises `JournalError`: then nothing more was begun, and the thread can be taken up again."""
        verdicts, left = dict(found or {}), Nearest[tuple[int, str]]()

        async def one(number: int) -> None:
            entry = entries[number]
            call_id, keys = entry.call.call_id, entry.call.keys
            if entry.at_last and call_id not in verdicts:
                return
            # Of several the first of the plan, whichever was done with first.
            place, first = min(left.find(keys), default=(number, call_id))
            if call_id not in verdicts:
                self._progress(f"call {number + 1} of {len(entries)}: {entry.call.record.target}")
                verdicts[call_id] = await self._verdict(entry, first, (begun or {}).get(call_id))
            if verdicts[call_id].verdict not in DONE:
                left.add(keys, (place, first))

        rooms = [entry.alone for entry in entries]
        waits = order.behind([entry.call for entry in entries], rooms)
        servers = {entry.call.record.server for entry in entries}
        await abreast(waits, at_once(self._parts.settings, servers), one)
        await self._looked_at_last(entries, verdicts)
        return {entry.call.call_id: verdicts[entry.call.call_id] for entry in entries}

    async def _verdict(self, entry: Planned, first: str, begun: Begun | None) -> Found:
        """On its way to the disk when this returns."""
        found = self._stuck(entry, first)
        if found is None:
            async with self._turns.beside():
                found = await self._undoer.undone(entry, begun)
        await self._writer.verdict(entry.call.call_id, found)
        return found

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
