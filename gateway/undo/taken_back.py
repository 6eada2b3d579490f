"""Calls that undos have taken back, found by where they wrote: is the world as one of those undos left it?

It looks, by the packs' reads, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.reverse import Recorded
from gateway.undo.looking import Unsighted
from gateway.undo.overlapping import Overlapping
from gateway.undo.parts import Parts
from gateway.undo.thread import TAKEN_BACK


class TakenBack:
    """Those of one journal, as a plan finds them."""

    def __init__(self, parts: Parts, verdicts: Mapping[str, str]) -> None:
        """`verdicts`: what undos have said, by call."""
        self.verdicts = verdicts
        self._parts = parts
        self._at: Overlapping[tuple[str, int]] | None = None
        """Each with its epoch. They are opened once, and only when somebody asks."""

    async def is_gone_with_others(self, call: Recorded) -> bool:
        """An earlier undo found it taken back, and took back what came before it: that looks like its work again."""
        return self.verdicts.get(call.call_id) == "already" and await self.left_it_so(call)

    async def left_it_so(self, call: Recorded) -> bool:
        """Is the world as the undo of an earlier call left it?"""
        for name, epoch in self._where().find(call.keys):
            other = self._parts.ledger.recorded(name) if epoch <= call.epoch else None
            if other is not None and await self._is_as_before(other):
                return True
        return False

    async def _is_as_before(self, other: Recorded) -> bool:
        try:
            sight = await self._parts.looker.sight(other)
            world = await self._parts.looker.look(other, sight)
        except Unsighted:
            return False
        return sight.pack.same(other.reversal.pre, world)

    def _where(self) -> Overlapping[tuple[str, int]]:
        if self._at is None:
            self._at = Overlapping()
            for name in (each for each, verdict in self.verdicts.items() if verdict in TAKEN_BACK):
                if (other := self._parts.ledger.recorded(name)) is not None:
                    self._at.add(other.keys, (name, other.epoch))
        return self._at
