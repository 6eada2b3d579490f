"""Step 9 of the Line and its part of step 14: leases, pre-image, level; post-image and what it says.

The order is the point: the resources are leased, then read, then the call goes out, then they are read
again, and they are let go behind the line that says all that: who comes next has them when it is durable. It
knows packs by what they answer (level.py) and tool servers by their port.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.core import written
from gateway.core.model import Classified, JsonObject, Outcome, Target
from gateway.core.record import OUTCOME_STATE, Claim, State
from gateway.core.reverse import Image, Lease, Reversal, Settled, server_key
from gateway.core.tasks import task_id_of
from gateway.errors import JournalError
from gateway.lease_ports import Leases
from gateway.ports import Journal, Protector, ToolServer
from gateway.sdk import SERVER_INFO_META_KEY
from gateway.settings import ServerLimits, ServerSettings
from gateway.undo import level
from gateway.undo.approved import Withheld, changed
from gateway.undo.doubts import Doubts
from gateway.undo.level import AnyPack, Found
from gateway.undo.own import For, OwnReads
from gateway.undo.ready import Ready
from gateway.undo.scope import CaptureFailed, Scope, TemplateFailed
from gateway.undo.versions import is_up, version_in, version_now, version_of
from gateway.values import replace

log = logging.getLogger("bulkhead.undo")

ROUNDS = 17
"""A call may be forwarded in so many rounds of questions, each within limits.total."""
SPARE_SECONDS = 120.0
HEARD = 500
"""Characters of what a tool server said that are kept, as of an error that it answers a call with."""


class Packs(Protocol):
    """The packs in force (undo/live.py)."""

    def find(self, target: Target, server_version: str | None) -> AnyPack | Reversal: ...


class PackReverser:
    """`ports.Reverser` by undo packs."""

    def __init__(
        self,
        *,
        packs: Packs,
        journal: Journal,
        leases: Leases,
        reads: OwnReads,
        protector: Protector,
        servers: Mapping[str, ToolServer],
        settings: Mapping[str, ServerSettings],
        clock: Callable[[], int],
        withheld: Withheld,
        keeps: int | None = None,
    ) -> None:
        """`clock`: microseconds since the epoch. `keeps`: so long are images kept; None: until they are
        forgotten."""
        self._keeps = keeps
        self._withheld = withheld
        self._packs = packs
        self._leases = leases
        self.doubts = Doubts(journal, leases, reads, protector, servers, clock)
        self._reads = reads
        self._protector = protector
        self._servers = servers
        self._settings = settings
        self._clock = clock
        self._in_doubt: dict[str, Ready] = {}
        """Calls whose leases are to be kept when they end."""

    def at_once(self, call_id: str, classified: Classified, secret: bool) -> Ready | None:
        """See `ports.Reverser`."""
        target = classified.resolved.target
        version = version_of(server := self._servers[target.server])
        if version is None and not is_up(server):
            return None
        pack = self._packs.find(target, version)
        if not isinstance(pack, Reversal):
            return None
        key, terms = server_key(target.server), self._terms(target.server)
        if (taken := self._leases.at_once(call_id, key, **terms)) is None:
            return None
        account, scope = _asked(call_id, classified, secret)
        found = Found(replace(pack, leases=taken.leases))
        return self._ready(target, version, account, scope, found, claims=taken.claims)

    async def prepare(self, call_id: str, classified: Classified, secret: bool) -> Ready:
        """See `ports.Reverser`."""
        target = classified.resolved.target
        account, scope = _asked(call_id, classified, secret)
        version = version_of(self._servers[target.server])
        if version is None and not is_up(self._servers[target.server]):
            # It is waited for here and not at the forward: without its version no pack is in force.
            version = await version_now(self._servers, target.server)
        pack = self._packs.find(target, version)
        if not isinstance(pack, Reversal):
            why = await changed(pack, target.server, self._withheld)
            pack = pack if why is None else level.unknown(why)
        if isinstance(pack, Reversal):
            key, terms = server_key(target.server), self._terms(target.server)
            taken = await self._leases.take_one(call_id, key, **terms)
            found = Found(replace(pack, leases=taken.leases))
            return self._ready(target, version, account, scope, found, claims=taken.claims)
        account = replace(account, process=self._servers[target.server].describe().get("pid"))
        keys = _early_keys(pack, scope)
        leases = await self._take(call_id, target.server, keys)
        if keys is None:
            why = "its pack cannot say what the call writes"
            found = Found(level.unfound(pack, leases, why))
        else:
            found = await self._found(pack, scope, account, leases)
        return self._ready(target, version, account, scope, found, pack)

    async def settle(self, prepared: Ready, outcome: Outcome) -> Settled:
        """See `ports.Reverser`."""
        try:
            settled = await self._settled(prepared, outcome)
        except Exception as error:
            log.exception("call %s cannot be judged", prepared.call_id)
            why = f"it cannot be judged: {level.said(error)}"
            state = State.IN_DOUBT if prepared.pack else OUTCOME_STATE[outcome.kind]
            settled = Settled(state, level.lowered(prepared.reversal, why), why=why)
        if settled.state is State.IN_DOUBT:
            self._in_doubt[prepared.call_id] = replace(prepared, pid=outcome.pid)
        return settled

    def body(self, prepared: Ready, settled: Settled) -> JsonObject:
        """See `ports.Reverser`."""
        try:
            return written.outcome_body(prepared.reversal, settled, self._protector.seal)
        except ValueError as error:
            lost = level.lowered(prepared.reversal, f"its post-image is not kept: {error}")
            bare = Settled(settled.state, lost, why=settled.why)
            return written.outcome_body(prepared.reversal, bare, self._protector.seal)

    def release(self, call_id: str) -> None:
        """See `ports.Reverser`."""
        ready = self._in_doubt.pop(call_id, None)
        if ready is None:
            self._leases.release(call_id)
        else:
            self.doubts.keep(ready, self._limits(ready.target.server).quiesce, self._settled)

    async def _take(
        self, call_id: str, server: str, keys: tuple[str, ...] | None
    ) -> tuple[Lease, ...]:
        """These resources, and a share of the server; or the whole server when nobody can say which."""
        whole = (server_key(server),)
        exclusive, shared = (whole, ()) if keys is None else (keys, whole)
        return await self._leases.take(call_id, exclusive, shared, **self._terms(server))

    def _terms(self, server: str) -> dict[str, float]:
        """How long a lease lasts at most, and how long after the end of this process."""
        limits = self._limits(server)
        term = limits.total * ROUNDS + SPARE_SECONDS
        return {"term": term, "quiesce": limits.quiesce}

    async def _found(
        self, pack: AnyPack, scope: Scope, account: For, leases: tuple[Lease, ...]
    ) -> Found:
        try:
            pre = await self._reads.image(pack.reads(scope), account)
        except (CaptureFailed, TemplateFailed) as error:
            why = f"its pre-image: {level.said(error)}"
            unfound = level.unfound(pack, leases, why)
            # It may repeat the arguments.
            if isinstance(error, CaptureFailed) and not account.secret:
                unfound = replace(unfound, heard=error.heard[:HEARD])
            return Found(unfound)
        return level.found(pack, scope, leases, pre, self._clock())

    def _ready(
        self,
        target: Target,
        version: str | None,
        account: For,
        scope: Scope,
        found: Found,
        pack: AnyPack | None = None,
        claims: tuple[Claim, ...] = (),
    ) -> Ready:
        """`version`: what its server called itself when `pack` was chosen."""
        reversal, case = self._within(self._safe(found.reversal)), found.case
        large = None if self._protector.keeps(scope.args) else scope.args
        try:
            if large is not None and account.secret and reversal.pre:
                raise ValueError("its arguments are too large to be kept beside secret ones")
            body = written.intent_body(reversal, self._protector.seal, account.secret, large)
        except ValueError as error:
            reversal = replace(
                level.lowered(reversal, f"it is not kept: {error}"), pre={}, steps=None
            )
            case, body = None, written.intent_body(reversal, self._protector.seal, account.secret)
        if reversal.pre:
            scope = replace(scope, pre=reversal.pre)
        call_id = account.call_id
        return Ready(call_id, target, account, reversal, body, scope, claims, pack, case, version)

    def _within(self, reversal: Reversal) -> Reversal:
        """An undo is promised for no longer than what it needs is kept."""
        if self._keeps is None:
            return reversal
        kept = self._clock() + self._keeps
        return replace(reversal, undo_until=min(reversal.undo_until or kept, kept))

    def _safe(self, reversal: Reversal) -> Reversal:
        """What stands in clear in the journal holds no secret anyone could know the shape of."""
        text = self._protector.protect_text
        residue = tuple(map(text, reversal.residue))
        why, heard = text(reversal.why), text(reversal.heard)
        return replace(reversal, why=why, heard=heard, residue=residue)

    async def _settled(self, prepared: Ready, outcome: Outcome) -> Settled:
        reversal, pack = prepared.reversal, prepared.pack
        if _never_sent(outcome):
            return Settled(State.REJECTED, level.unsent(reversal))
        if pack is None or outcome.kind == "in_doubt":
            return Settled(OUTCOME_STATE[outcome.kind], reversal)
        if outcome.result is not None and _goes_on(outcome.result):
            why = "it goes on after its answer"
            return Settled(State.APPLIED, level.lowered(reversal, why), why=why)
        answering = _answered_by(outcome)
        if answering not in (None, prepared.version):
            why = f"it was answered by version {answering}, its pack was chosen for {prepared.version}"
            return self._unseen(prepared, pack, outcome, why)
        if prepared.scope.pre is None:
            return Settled(level.worded(pack, prepared.scope, outcome), reversal)
        try:
            post = await self._reads.image(pack.reads(prepared.scope), prepared.account)
        except (CaptureFailed, TemplateFailed, JournalError) as error:
            return self._unseen(prepared, pack, outcome, f"its post-image: {level.said(error)}")
        return await self._seen(prepared, pack, outcome, post)

    def _unseen(self, prepared: Ready, pack: AnyPack, outcome: Outcome, why: str) -> Settled:
        """No guard without a post-image; and a failure nobody could look at may have changed something."""
        word = level.worded(pack, prepared.scope, outcome)
        state = State.APPLIED if word is State.APPLIED else State.IN_DOUBT
        return Settled(state, level.lowered(prepared.reversal, why), why=why)

    async def _seen(self, prepared: Ready, pack: AnyPack, outcome: Outcome, post: Image) -> Settled:
        scope = replace(prepared.scope, result=outcome, post=post)
        state, why = level.judged(pack, scope, outcome)
        reversal = prepared.reversal
        try:
            if state in (State.APPLIED, State.IN_DOUBT) and (finds := pack.finds(scope)):
                # What changed is known to the record: that a call failed half way is no doubt then.
                post = {**post, **await self._reads.image(finds, prepared.account)}
                scope, state = replace(scope, post=post), State.APPLIED
                reversal = level.with_changes(reversal, post)
        except (CaptureFailed, TemplateFailed, JournalError) as error:
            reversal = level.lowered(reversal, f"what it changed: {level.said(error)}")
        if state is State.APPLIED:
            reversal = level.late(prepared.case, reversal, scope)
            reversal = level.foreign(pack, reversal, scope)
        return Settled(state, reversal, post, why, self._leases.claim(prepared.call_id))

    def _limits(self, server: str) -> ServerLimits:
        return self._settings[server].limits


def _asked(call_id: str, classified: Classified, secret: bool) -> tuple[For, Scope]:
    """On whose account it is looked at, and what its pack may look at."""
    identity = classified.resolved.request.identity
    account = For(call_id, identity.tenant, identity.task, identity.intent, secret)
    return account, Scope(classified.resolved.arguments, {"id": call_id})


def _early_keys(pack: AnyPack, scope: Scope) -> tuple[str, ...] | None:
    try:
        return pack.early_keys(scope)
    except Exception as error:
        log.warning("%s: keys: %s", pack.pack, level.said(error))
        return None


def _goes_on(result: JsonObject) -> bool:
    """A task was made, or a question asked: what the call does comes later, if at all."""
    return task_id_of(result) is not None or result.get("resultType") == "input_required"


def _answered_by(outcome: Outcome) -> str | None:
    """What the server calls itself in its answer, if it says so there: others may stand behind one address."""
    meta = (outcome.result or {}).get("_meta")
    return version_in(meta.get(SERVER_INFO_META_KEY) if isinstance(meta, dict) else None)


def _never_sent(outcome: Outcome) -> bool:
    """The wire's own refusal: it says why, where a server's error never does (wire/servers/envelope.py)."""
    return outcome.kind == "rejected" and bool(outcome.detail) and not outcome.turned_away
