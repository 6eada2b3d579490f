"""Looks that may be at another world than the call's: the server's process that made the call still runs.

A tool server over stdio may keep its world in its own memory. A rollback starts a server of its own, and looks
at that one's world. Two findings are not believed then, for any server that has only just begun shows them: that the
call's work is not there, and that all is as it was when the process that made the call began.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core.reverse import Captured, Recorded
from gateway.ports import CallFilter
from gateway.undo.ledger import MANY
from gateway.undo.looking import Sight, Unsighted
from gateway.undo.parts import Parts
from gateway.undo.plan import Planned
from gateway.undo.scope import ReadCall, same_read
from gateway.undo.select import may_have_written
from gateway.values import replace

HOW: Final = (
    "as seen by a process started to look; the one it was made by still runs, "
    "and if that keeps its world to itself it needs a companion"
)
BEGAN_SO: Final = "it left all as it was when that process began"


class Apart:
    """Tells which looks cannot be believed, of calls that no undo on record has taken back."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._begun: dict[tuple[str, str], list[tuple[ReadCall, Captured]]] = {}
        """By server and run: what each read found when it was first made there."""
        self._finding = asyncio.Lock()

    async def doubted(self, entry: Planned, sight: Sight) -> Planned:
        """The same, with what its look cannot tell. Raises `JournalError`."""
        if not self._may_be(entry.call, sight):
            return entry
        if entry.standing == "already":
            return replace(entry, standing="unreadable", why=f"{entry.why}, {HOW}")
        if entry.standing == "drift":
            return replace(entry, why=f"{entry.why}, {HOW}")
        if entry.standing == "ready" and await self._is_as_begun(entry.call, sight):
            return replace(entry, standing="unreadable", why=f"{BEGAN_SO}, {HOW}")
        return entry

    def _may_be(self, call: Recorded, sight: Sight) -> bool:
        """Is it looked at through a process of ours alone, was made by another, and has no certificate that says
        where its world is?"""
        server = call.record.server
        ours = all(read.server == server for read in sight.reads)
        is_started = self._parts.settings[server].command is not None
        return (
            ours and is_started and not sight.pack.certified and not self._parts.is_gone(call.run)
        )

    async def _is_as_begun(self, call: Recorded, sight: Sight) -> bool:
        """Did it leave what its reads found before anything was done in that run?"""
        key = call.record.server, call.run
        async with self._finding:  # of calls that are looked at side by side one finds it for all
            if key not in self._begun:
                self._begun[key] = await self._first_found(*key)
        first = {
            read.name: next(
                (found for made, found in self._begun[key] if same_read(made, read)),
                call.reversal.pre.get(read.name),
            )
            for read in sight.reads
        }
        began = {name: found for name, found in first.items() if found is not None}
        return call.post is not None and sight.pack.same(began, call.post)

    async def _first_found(self, server: str, run: str) -> list[tuple[ReadCall, Captured]]:
        noted: list[tuple[ReadCall, Captured]] = []
        for row in reversed(self._parts.reader.calls(CallFilter(server=server), MANY)):
            earlier = self._parts.ledger.of(row) if may_have_written(row) else None
            if earlier is None or earlier.run != run or not earlier.reversal.pre:
                continue
            try:
                reads = (await self._parts.looker.sight(earlier)).reads
            except Unsighted:
                continue
            pre = earlier.reversal.pre
            noted += [
                (read, pre[read.name])
                for read in reads
                if read.name in pre and not any(same_read(read, made) for made, _ in noted)
            ]
        return noted
