"""One call at a scratch server as the Line makes it, and its undo as the executor makes it, with a pack's own words.

The level, the judgement and the steps come from the same functions the gateway uses (undo/level.py). It
knows packs and tool servers, and no ground.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from itertools import count

from gateway.core import record
from gateway.core.act import CLIENT, of_act
from gateway.core.model import CallRecord, Effect, JsonObject, Outcome, Target, Tier
from gateway.core.record import State
from gateway.core.reverse import Image, Lease, Level, Recorded, Reversal, Verdict
from gateway.journals.memory import MemoryJournal
from gateway.nobody import NOBODY
from gateway.ports import Outbound, ToolServer
from gateway.undo import level
from gateway.undo.level import AnyCase, AnyPack
from gateway.undo.packs import Packs
from gateway.undo.scope import CaptureFailed, ReadCall, Scope, TemplateFailed
from gateway.undo.toolpack import ToolPack
from gateway.undo.versions import version_of
from gateway.values import Value, replace


class Tried(Value):
    """A call that was made, and what is known of it."""

    tool: str
    arguments: JsonObject
    outcome: Outcome
    state: State
    reversal: Reversal
    pack: ToolPack | None
    scope: Scope
    """With `pre`, `result` and `post`, as far as they are known."""

    server: str
    call_id: str

    @property
    def recorded(self) -> Recorded:
        """As a journal would have it: of what it held."""
        record, post = _entry(self.call_id, self.server, self.tool), self.scope.post
        return Recorded(record, self.state, self.arguments, None, self.reversal, post, 0, 0, 0)

    @property
    def case(self) -> str:
        """Which case of the pack it was; empty for none."""
        return self.reversal.why


class Driver:
    """Calls at scratch servers, each with a permit from a journal of its own."""

    def __init__(
        self,
        server: str,
        packs: Packs,
        servers: Mapping[str, ToolServer],
        journal: MemoryJournal,
        undoing: Mapping[str, ToolServer],
    ) -> None:
        """`undoing`: processes of the same servers, through which calls are taken back, as a rollback has its own;
        empty: `servers`."""
        self._server = server
        self._packs = packs
        self._servers = servers
        self._undoing = undoing or servers
        self._journal = journal
        self._numbers = count(1)
        self._changing = asyncio.Lock()
        """A companion is asked for one change at a time, as by a rollback."""

    async def call(
        self, tool: str, arguments: JsonObject, losing: Callable[[], bool] = lambda: False
    ) -> Tried:
        """The call, with what was there before and after. If `losing()`, its answer is lost."""
        version = version_of(self._servers[self._server])
        found = self._packs.find(Target(self._server, "tool", tool), version)
        call_id = f"t{next(self._numbers)}"
        scope = Scope(arguments, {"id": call_id})
        if isinstance(found, Reversal):
            outcome = await self.ask(self._server, tool, arguments)
            state = record.OUTCOME_STATE[outcome.kind]
            return Tried(tool, arguments, outcome, state, found, None, scope, self._server, call_id)
        # What it says is asked here, and not what it may claim.
        found = replace(found, certified=True)
        reversal, case = await self._prepared(found, scope)
        scope = replace(scope, pre=reversal.pre or None)
        outcome = await self.ask(self._server, tool, arguments)
        tried = Tried(
            tool,
            arguments,
            outcome,
            State.APPLIED,
            reversal,
            found,
            scope,
            self._server,
            call_id,
        )
        if losing():
            lost = Outcome("in_doubt", detail="the answer was lost")
            return replace(tried, outcome=lost, state=State.IN_DOUBT)
        return await self._settled(tried, case)

    async def probe(self, tried: Tried) -> Tried:
        """A call in doubt, settled by looking, or left in doubt."""
        assert tried.pack is not None
        if tried.scope.pre is None:
            return tried
        try:
            cur = await self._image(tried.pack, tried.scope)
        except (CaptureFailed, TemplateFailed):
            return tried
        state, _ = level.probed(tried.pack, replace(tried.scope, cur=cur), stopped=True)
        if state is not State.APPLIED:
            return replace(tried, state=state) if state is State.NOT_APPLIED else tried
        scope = replace(tried.scope, post=cur)
        case = tried.pack.choose(scope)
        reversal = level.late(case, tried.reversal, scope)
        return replace(tried, state=State.APPLIED, scope=scope, reversal=reversal)

    def known(self, tried: Tried) -> Verdict | None:
        """What becomes of it without a look and a step; None: those decide."""
        if tried.state in (State.NO_EFFECT, State.FAILED, State.REJECTED):
            return "no_effect"
        if tried.state is State.NOT_APPLIED:
            return "not_applied"
        if tried.state is State.IN_DOUBT:
            return "in_doubt"
        if tried.reversal.level is Level.NOOP:
            return "no_effect"
        if tried.pack is None or tried.reversal.level.rank < Level.COMPENSABLE.rank:
            return "irreversible"
        unseen = tried.scope.post is None or tried.scope.pre is None
        return "irreversible" if unseen or tried.reversal.steps is None else None

    async def undo(self, tried: Tried) -> Verdict:
        """Look, compare, do the steps, look again. Never `restored` without a reading that says so."""
        if known := self.known(tried):
            return known
        pack, post, pre = tried.pack, tried.scope.post, tried.scope.pre
        assert pack is not None
        assert post is not None
        assert pre is not None
        now = await self._image(pack, tried.scope, self._undoing)
        if not pack.same(post, now):
            return "already" if pack.same(pre, now) else "conflict"
        return await self._done(tried, pack, pre)

    async def _done(self, tried: Tried, pack: ToolPack, pre: Image) -> Verdict:
        for step in tried.reversal.steps or ():
            is_own = step.server == self._server
            async with nullcontext() if is_own else self._changing:
                outcome = await self.ask(step.server, step.tool, step.arguments, self._undoing)
            if outcome.kind != "ok":
                return "failed"
        if not pack.same(pre, await self._image(pack, tried.scope, self._undoing)):
            return "unverified"
        return "compensated" if tried.reversal.level is Level.COMPENSABLE else "restored"

    async def _prepared(self, pack: ToolPack, scope: Scope) -> tuple[Reversal, AnyCase | None]:
        try:
            leases = [Lease(key, 1) for key in pack.early_keys(scope)]
            pre = await self._image(pack, scope)
        except (CaptureFailed, TemplateFailed) as error:
            return Reversal(Level.NONE, why=f"its pre-image: {error}"), None
        found = level.found(pack, scope, leases, pre, 0)
        return found.reversal, found.case

    async def _settled(self, tried: Tried, case: AnyCase | None) -> Tried:
        pack = tried.pack
        assert pack is not None
        try:
            post = await self._image(pack, tried.scope) if tried.scope.pre is not None else None
        except (CaptureFailed, TemplateFailed) as error:
            lowered = level.lowered(tried.reversal, f"its post-image: {error}")
            return replace(tried, reversal=lowered)
        scope = replace(tried.scope, result=tried.outcome, post=post)
        state, _ = level.judged(pack, scope, tried.outcome)
        reversal = tried.reversal
        if state in (State.APPLIED, State.IN_DOUBT) and (finds := pack.finds(scope)):
            assert post is not None
            post = {**post, **await self._found(finds)}
            scope, state = replace(scope, post=post), State.APPLIED
        if state is State.APPLIED:
            reversal = level.late(case, reversal, scope)
        return replace(tried, state=state, scope=scope, reversal=reversal)

    async def _image(
        self, pack: AnyPack, scope: Scope, at: Mapping[str, ToolServer] | None = None
    ) -> Image:
        return await self._found(pack.reads(scope), at)

    async def _found(
        self, reads: Sequence[ReadCall], at: Mapping[str, ToolServer] | None = None
    ) -> Image:
        return {
            read.name: read.spec.take(await self.ask(read.server, read.tool, read.arguments, at))
            for read in reads
        }

    async def ask(
        self,
        server: str,
        tool: str,
        arguments: JsonObject,
        at: Mapping[str, ToolServer] | None = None,
    ) -> Outcome:
        """One call and no more: a look, a step, or the call itself."""
        call_id = f"c{next(self._numbers)}"
        params = {"name": tool, "arguments": arguments}
        pending = self._journal.append(record.intent(_entry(call_id, server, tool), 0))
        permit = record.permit(await pending.sealed(), Effect.DESTROY)
        message = Outbound("tools/call", params, CLIENT, "certification", exact=True)
        return await (at or self._servers)[server].call(permit, message, NOBODY)


def _entry(call_id: str, server: str, tool: str) -> CallRecord:
    return of_act(
        call_id,
        "certification",
        "tools/call",
        tenant="",
        server=server,
        target=tool,
        tier=Tier.ADMIN,
        effect=Effect.DESTROY,
    )
