"""Calls whose effect is not known: stop their writer, look at the world, and write down what it says.

The order is the law: first the writer is stopped, then the resources are leased, then they are read.
Who cannot stop the writer never hears "not applied"; and where somebody wrote later, a person decides.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from gateway.core import record, written
from gateway.core.model import Effect
from gateway.core.record import DOUBTFUL, State
from gateway.core.reverse import Image, Recorded, Reversal, Settled, Step, server_key
from gateway.errors import Refused
from gateway.undo import level
from gateway.undo.looking import Sight, Unsighted
from gateway.undo.parts import Parts
from gateway.undo.scope import NeedsResult, TemplateFailed
from gateway.values import Value, replace

Writer = Literal["gone", "ours", "theirs"]
"""Who has the process the call was forwarded to: nobody any more, we do, or a gateway that still runs."""

LEASE_SECONDS = 600.0


class Finding(Value):
    """What became of one call in doubt."""

    call_id: str
    state: State
    why: str


class Settler:
    """Settles one call at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def settle(self, call: Recorded, writer: Writer) -> Finding:
        """Where the call stands now, and on record. Raises `JournalError`."""
        if call.state not in DOUBTFUL:
            return Finding(call.call_id, call.state, "it is not in doubt")
        if call.record.effect == Effect.READ:
            why = "it was to read: whatever became of it, it changed nothing"
            return await self._write(call, Settled(State.NO_EFFECT, call.reversal, why=why))
        try:
            await self._parts.looker.sight(call)  # what cannot be looked at is not worth a stop
            stopped = await self._stopped(call, writer)
            return await self._alone(call, stopped)
        except (Unsighted, Refused) as no:
            why = no.why if isinstance(no, Unsighted) else no.detail
            return Finding(call.call_id, call.state, why)

    async def declare(self, call: Recorded, state: State) -> Finding:
        """What a person found: applied or not. Raises `JournalError`, `IllegalMove`."""
        why = "a person looked and says so"
        lowered = level.lowered(call.reversal, why)
        settled = Settled(state, call.reversal if state is State.NOT_APPLIED else lowered, why=why)
        return await self._write(call, settled)

    async def _stopped(self, call: Recorded, writer: Writer) -> bool:
        """True when nothing of the call can take effect any more."""
        server = call.record.server
        if server not in self._parts.servers:
            raise Unsighted("unreadable", f"there is no tool server {server} any more")
        if writer == "ours" and await self._parts.servers[server].fence():
            return True
        if self._parts.settings[server].command is not None:
            return writer == "gone"
        await self._out_of_time(call)
        return True

    async def over(self, step: Recorded, is_gone: bool) -> None:
        """Returns when nothing of an inverse call can take effect any more, as far as that can be known.

        `is_gone`: the process that forwarded it has ended, and its stdio servers with it."""
        server = step.record.server
        if server not in self._parts.servers:
            return
        stopped = await self._parts.servers[server].fence()
        if not stopped or not is_gone:
            await self._out_of_time(step)

    async def _out_of_time(self, call: Recorded) -> None:
        server = call.record.server
        # Over HTTP the server is not ours to stop: it has had its time when that is over.
        limits = self._parts.settings[server].limits
        given_up = call.settled_at or call.created_at
        until = max(given_up + limits.quiesce * 1e6, call.created_at + limits.total * 1e6)
        left = (until - self._parts.clock()) / 1e6
        # No more than all of it: the clock may have been set back since.
        await asyncio.sleep(max(0.0, min(left, max(limits.quiesce, limits.total))))

    async def _alone(self, call: Recorded, stopped: bool) -> Finding:
        """Nobody writes there while it is looked at."""
        holder = self._parts.new_call_id()
        whole = server_key(call.record.server)
        keys = call.keys or (whole,)
        shared = () if whole in keys else (whole,)
        await self._parts.leases.take(holder, keys, shared, term=LEASE_SECONDS, quiesce=0.0)
        try:
            # Whoever had the leases before may have settled it.
            known = self._parts.ledger.recorded(call.call_id) or call
            if known.state not in DOUBTFUL:
                return Finding(known.call_id, known.state, "it has been settled meanwhile")
            return await self._looked(known, stopped)
        finally:
            self._parts.leases.release(holder)

    async def _looked(self, call: Recorded, stopped: bool) -> Finding:
        sight = await self._parts.looker.sight(call)
        later = next(self._parts.ledger.later_writers(call), None)
        if later is not None:
            why = f"call {later} may have written there since"
            return await self._write(call, Settled(State.NEEDS_HUMAN, call.reversal, why=why))
        cur = await self._parts.looker.look(call, sight)
        state, why = level.probed(
            sight.pack, replace(sight.scope, cur=cur), stopped, call.reversal.beyond
        )
        if state is None:
            return Finding(call.call_id, call.state, why)
        if state is not State.APPLIED:
            return await self._write(call, Settled(state, call.reversal, why=why))
        return await self._write(call, Settled(state, _finished(call, sight, cur), cur, why))

    async def _write(self, call: Recorded, settled: Settled) -> Finding:
        """Raises `JournalError`, also when somebody else has settled it meanwhile."""
        if settled.state is call.state:
            return Finding(call.call_id, call.state, settled.why)
        parts = self._parts
        body = written.outcome_body(call.reversal, settled, parts.protector.seal)
        line = record.settled(
            call.call_id,
            parts.clock(),
            call.state,
            settled.state,
            {"outcome": "probed", "detail": parts.protector.protect_text(settled.why), **body},
        )
        await parts.journal.append(line).sealed()
        return Finding(call.call_id, settled.state, settled.why)


def _finished(call: Recorded, sight: Sight, cur: Image) -> Reversal:
    """The steps of a call whose answer nobody heard: those that need the answer cannot be made."""
    if call.reversal.steps is not None:
        return call.reversal
    steps = _steps(sight, cur)
    if steps is None:
        return level.lowered(call.reversal, "its steps need the answer, which is lost")
    return replace(call.reversal, steps=steps)


def _steps(sight: Sight, cur: Image) -> tuple[Step, ...] | None:
    scope = replace(sight.scope, post=cur)
    try:
        case = sight.pack.choose(scope)
        return None if case is None else case.steps(scope)
    except (NeedsResult, TemplateFailed):
        return None
