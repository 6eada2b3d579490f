"""Calls in doubt while the gateway that forwarded them still runs: their leases are kept, their late answers heard.

A doubt is looked at once, when the answer comes late, when the server's process is gone with all it started, or
when its time to come to an end is over; then the leases are let go. What that does not settle is for
`bulkhead journal settle`, which may stop the server. It knows no pack's file and no agent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from gateway.core import record, written
from gateway.core.model import JsonObject, Outcome
from gateway.core.record import OUTCOME_STATE, Claim, IllegalMove, State
from gateway.core.reverse import Settled
from gateway.errors import JournalError
from gateway.lease_ports import Leases
from gateway.ports import Journal, Protector, ToolServer
from gateway.undo import level
from gateway.undo.own import OwnReads
from gateway.undo.ready import Ready
from gateway.undo.scope import CaptureFailed, TemplateFailed
from gateway.values import replace

log = logging.getLogger("bulkhead.undo")

NOBODY_LOOKED: JsonObject = {"level": "none", "why": "its answer came late: nobody looked in time"}
ITS_DOING: Final = (
    "its server died in it, and nobody wrote there through a gateway: what changed is its doing"
)
LOOK_SECONDS: Final = 0.05
"""Between two looks at a process that is being ended."""
MOST: Final = 65_536
"""Calls that were looked at and are remembered: more than the tool servers have late answers of."""
Judge = Callable[[Ready, Outcome], Awaitable[Settled]]


@dataclass
class _Doubt:
    ready: Ready
    answer: asyncio.Future[Outcome]
    task: asyncio.Task[None] | None = field(default=None)


class Doubts:
    """The doubts of this process whose resources are still leased."""

    def __init__(
        self,
        journal: Journal,
        leases: Leases,
        reads: OwnReads,
        protector: Protector,
        servers: Mapping[str, ToolServer],
        clock: Callable[[], int],
    ) -> None:
        self._journal = journal
        self._leases = leases
        self._reads = reads
        self._protector = protector
        self._servers = servers
        self._clock = clock
        self._kept: dict[str, _Doubt] = {}
        self._unclear: dict[str, None] = {}
        """Calls with a pre-image that were looked at: the journal knows whether that told anything."""

    def keep(self, ready: Ready, quiesce: float, judge: Judge) -> None:
        """Its leases are let go when it has been looked at: `quiesce` seconds from now at the latest."""
        doubt = _Doubt(ready, asyncio.get_running_loop().create_future())
        self._kept[ready.call_id] = doubt
        doubt.task = asyncio.create_task(self._until_settled(doubt, quiesce, judge))

    def late(self, call_id: str, outcome: Outcome) -> None:
        """An answer after nobody waited for it any more. Never fails."""
        doubt = self._kept.get(call_id)
        if doubt is not None and not doubt.answer.done():
            doubt.answer.set_result(outcome)
            return
        if call_id in self._unclear and outcome.kind != "ok":
            # A failure that may have changed something is no end of a doubt; a look at the world is.
            log.warning("call %s: it is said, late, to have failed: that settles nothing", call_id)
            return
        body = {"outcome": outcome.kind, "late": True, written.MEMBER: NOBODY_LOOKED}
        self._write(call_id, OUTCOME_STATE[outcome.kind], body)

    async def aclose(self) -> None:
        """Look no more. Leases that are kept run out by themselves."""
        tasks = [doubt.task for doubt in self._kept.values() if doubt.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_settled(self, doubt: _Doubt, quiesce: float, judge: Judge) -> None:
        ready = doubt.ready
        after = quiesce  # whatever ends this early, its server may still be at it
        try:
            died = self._is_down(ready)
            await self._waited(doubt, quiesce)
            if doubt.answer.done():
                await self._answered(ready, doubt.answer.result(), judge)
            elif ready.pack is not None:
                await self._looked_at(ready, died)
            after = 0.0
        except Exception:
            log.exception("call %s stays in doubt", ready.call_id)
            after = 0.0
        finally:
            doubt.answer.cancel()
            self._kept.pop(ready.call_id, None)
            if ready.scope.pre is not None:
                self._unclear[ready.call_id] = None
                if len(self._unclear) > MOST:
                    del self._unclear[next(iter(self._unclear))]
            self._leases.release(ready.call_id, after)

    async def _waited(self, doubt: _Doubt, quiesce: float) -> None:
        """Until it is answered, its server's process is gone, or its time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + quiesce
        while not self._is_gone(doubt.ready) and (left := until - loop.time()) > 0:
            pause = min(left, LOOK_SECONDS) if self._is_down(doubt.ready) else left
            if (await asyncio.wait([doubt.answer], timeout=pause))[0]:
                return

    async def _answered(self, ready: Ready, outcome: Outcome, judge: Judge) -> None:
        settled = await judge(ready, outcome)
        if settled.state is not State.IN_DOUBT:
            self._settle(ready, settled, {"outcome": outcome.kind, "late": True})

    async def _looked_at(self, ready: Ready, died: bool) -> None:
        """Without stopping anything: what can be said all the same. `died`: its server did, in the call."""
        pack, scope = ready.pack, ready.scope
        if pack is None or scope.pre is None:
            return
        # Of what lay in a process that is gone, any other of its server tells as much.
        account = replace(ready.account, process=None)
        with suppress(CaptureFailed, TemplateFailed):
            cur = await self._reads.image(pack.reads(scope), account)
            seen = replace(scope, cur=cur)
            reversal, post = ready.reversal, None
            state, why = level.probed(pack, seen, self._is_gone(ready), reversal.beyond)
            other = state is State.NEEDS_HUMAN and not pack.same(scope.pre, cur)
            if died and other and pack.expect(seen) is None:
                finds = pack.finds(scope)
                found = await self._reads.image(finds, account)
                # As after an answer: but what the next process writes when it starts is nobody's doing.
                if finds and self._is_last(ready):
                    cur = {**cur, **found}
                    state, why = State.APPLIED, ITS_DOING
                    reversal = level.with_changes(reversal, cur)
            if state is None:
                return
            if state is State.APPLIED:
                post = cur
                reversal = level.late(ready.case, reversal, replace(scope, post=cur))
            settled = Settled(state, reversal, post, why, self._leases.claim(ready.call_id))
            self._settle(ready, settled, {"outcome": "probed", "detail": why})

    def _settle(self, ready: Ready, settled: Settled, body: JsonObject) -> None:
        said = written.outcome_body(ready.reversal, settled, self._protector.seal)
        rests_on = (settled.rests_on,) if settled.rests_on else ()
        self._write(ready.call_id, settled.state, {**body, **said}, rests_on)

    def _write(
        self, call_id: str, state: State, body: JsonObject, claims: tuple[Claim, ...] = ()
    ) -> None:
        # Somebody may have settled it meanwhile, or its leases ended: the journal then refuses the
        # line, and is right.
        with suppress(JournalError, IllegalMove):
            line = record.settled(call_id, self._clock(), State.IN_DOUBT, state, body)
            self._journal.append(replace(line, claims=claims))

    def _is_gone(self, ready: Ready) -> bool:
        """Is nothing left of the process it was forwarded to?"""
        return self._is_down(ready) and self._process(ready) != {"pid": ready.pid, "over": False}

    def _is_down(self, ready: Ready) -> bool:
        """Does the process it was forwarded to answer no more? It may still be at work."""
        now = self._servers[ready.target.server].describe().get("pid")
        return ready.pid is not None and now != ready.pid

    def _is_last(self, ready: Ready) -> bool:
        """Is it gone, and has no other been started since?"""
        return self._process(ready) == {"pid": ready.pid, "over": True}

    def _process(self, ready: Ready) -> object:
        return self._servers[ready.target.server].describe().get("process")
