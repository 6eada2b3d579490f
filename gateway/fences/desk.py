"""Where operators stop and let go again: the fence first, then all that follows from it.

    1. The fences stand in the log: from here on nothing new begins, and what is under way is cut off.
    2. Grants of whom it concerns are fenced, for all who work below them, and revoked: a line each. What was lent
       to them is called back by the gateways that lent it, as soon as they see the fence.
    3. It waits, a little, until nothing in scope is under way or lent any more, and says what still is.
    4. Held calls in scope are refused, as they would be were their time now: let go of again, nobody means them.
    5. So with leave that was given and not used, and with windows of break-glass: it is closed.

What was done until then is for a rollback. It knows the log and the ports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.core import record
from gateway.core.act import of_act
from gateway.core.approval import LONGEST, Ticket, Word
from gateway.core.credential import LIVE, CredentialLease
from gateway.core.fence import Caught, Fence
from gateway.core.grant import End, Standing
from gateway.core.model import JsonObject
from gateway.core.record import Claim, State
from gateway.credential_ports import CredentialLedger
from gateway.errors import JournalError, Refused
from gateway.fences.log import FenceLog
from gateway.grant_ports import GrantStore
from gateway.ports import CallFilter, CallRow, Journal, JournalReader, Protector, Tickets
from gateway.reasons import Reason
from gateway.values import Value

PATIENCE: Final = 2.0
"""Seconds for what is under way to end."""
CREDENTIALS_PATIENCE: Final = 5.0
"""Seconds for what was lent to be called back."""
MANY: Final = 10_000
TOGETHER: Final = 256
"""Grants that are revoked in one commit: alone, each of thousands would wait for the disk."""


class Contained(Value):
    """What was done, and what is not over yet."""

    fences: tuple[Fence, ...]
    revoked: tuple[str, ...]
    under_way: tuple[str, ...]
    """Calls that had not come to an end when it stopped waiting."""
    credentials: tuple[CredentialLease, ...]
    """What was lent to whom it concerns, as it stands when it stopped waiting."""
    unsent: tuple[str, ...] = ()
    """Held calls that were to be sent later, and never will be."""
    closed: tuple[str, ...] = ()
    """Tickets whose leave nobody can use any more."""

    def as_json(self) -> JsonObject:
        """For programs."""
        fences = [
            {"scope": each.scope, "value": each.value, "tenant": each.tenant}
            for each in self.fences
        ]
        lent = [
            {
                "lease": each.id,
                "server": each.server,
                "state": each.state.value,
                "expires_at": each.expires_at,
            }
            for each in self.credentials
        ]
        return {
            "fences": fences,
            "revoked": [*self.revoked],
            "under_way": [*self.under_way],
            "credentials": lent,
            "unsent": [*self.unsent],
            "closed": [*self.closed],
        }


class Desk(Value, kw_only=True):
    """`clock`: microseconds since the epoch."""

    log: FenceLog
    journal: Journal
    reader: JournalReader
    grants: GrantStore
    tickets: Tickets
    protector: Protector
    tenant: str
    clock: Callable[[], int]
    new_call_id: Callable[[], str]
    lent: CredentialLedger | None = None
    """Where what was lent is found; None: it does not wait for its end."""

    async def contain(self, fences: Sequence[Fence]) -> Contained:
        """After `FenceLog.fence`, which needs nothing of what is needed here. Raises `JournalError`."""
        concerned, every = self._concerned(fences), list(fences)
        if concerned:
            self.log.fence(*(_of_grant(each, fences[0]) for each in concerned))
            # Of a call on record its own grant alone is known.
            every += [_of_grant(each, fences[0]) for each in self.grants.below([*concerned])]
        revoked = await self._revoke(concerned)
        for fence in fences:
            await self._note(fence.by, "fenced", fence, fence.why)
        under_way, ended = await asyncio.gather(self._under_way(every), self._ended(every))
        unsent, closed = await self._unsent(every), await self._closed(every)
        return Contained(tuple(fences), revoked, under_way, ended, unsent, closed)

    async def lift(self, fences: Sequence[Fence], by: str, why: str) -> tuple[Fence, ...]:
        """These stop nothing any more, and that is on record first: those that stood. Raises `JournalError`."""
        wanted = {(fence.scope, fence.value, fence.tenant) for fence in fences}
        standing = tuple(
            each for each in self.log.read() if (each.scope, each.value, each.tenant) in wanted
        )
        for fence in standing:
            await self._note(by, "lifted", fence, why)
        self.log.lift(standing, by, why, self.clock())
        return standing

    def _concerned(self, fences: Sequence[Fence]) -> Mapping[str, Fence]:
        """Every grant in force that a fence concerns, but for those right below another one: with the first such."""
        now, found = self.clock(), dict[str, tuple[str, Fence]]()
        for row in reversed(self.grants.all(now)):
            fence = next((each for each in fences if _concerns(each, row)), None)
            if fence is not None and row.word(now) == "active":
                found[row.grant.id] = row.grant.parent, fence
        return {grant: fence for grant, (above, fence) in found.items() if above not in found}

    async def _revoke(self, concerned: Mapping[str, Fence]) -> tuple[str, ...]:
        """These, and with each all below it. Those of them that had not ended by then."""
        every, ended = [*concerned.items()], list[str]()
        for start in range(0, len(every), TOGETHER):
            some = every[start : start + TOGETHER]
            done = await asyncio.gather(*(self._end(*each) for each in some))
            ended += [grant for (grant, _), is_done in zip(some, done, strict=True) if is_done]
        self.grants.changed()
        return tuple(ended)

    async def _end(self, grant: str, fence: Fence) -> bool:
        """False: it ended with one further up, or by another hand."""
        said = self.protector.protect_text(f"{fence.by}: contained: {fence.why}")
        try:
            await self._note(fence.by, "revoked", fence, said, End(grant, "revoked", said))
        except Refused:
            return False
        return True

    async def _under_way(self, fences: Sequence[Fence]) -> tuple[str, ...]:
        until = asyncio.get_running_loop().time() + PATIENCE
        while True:
            # Before each look: the intent of a read is on the disk a few milliseconds after its forward.
            await asyncio.sleep(0.02)
            left = [
                row.record.call_id
                for row in self.reader.calls(CallFilter(state=State.INTENT), MANY)
                if any(caught_of(row).by(fence) for fence in fences)
            ]
            if not left or asyncio.get_running_loop().time() > until:
                return tuple(left)

    async def _unsent(self, fences: Sequence[Fence]) -> tuple[str, ...]:
        """Held calls that are refused now. One that is sent or taken back first is left out: a fence cuts it off."""
        refused = []
        for row in self._held(fences):
            fence = next(each for each in fences if caught_of(row).by(each))
            try:
                await self.journal.append(self._refusal(row, fence)).sealed()
            except JournalError:
                if any(row.record == each.record for each in self._held(fences)):
                    raise
                continue
            refused.append(row.record.call_id)
        return tuple(refused)

    def _held(self, fences: Sequence[Fence]) -> list[CallRow]:
        rows = self.reader.calls(CallFilter(state=State.HELD), MANY)
        return [row for row in rows if any(caught_of(row).by(fence) for fence in fences)]

    def _refusal(self, row: CallRow, fence: Fence) -> record.Line:
        it, detail = row.record, f"fenced: {fence} ({fence.by}: {fence.why})"
        body = {
            "reason": str(Reason.FENCED),
            "detail": self.protector.protect_text(detail),
            "rule": it.rule,
            "where": it.where,
            "policy_version": it.policy_version,
        }
        return record.after_hold(it.call_id, self.clock(), State.REFUSED, body)

    async def _closed(self, fences: Sequence[Fence]) -> tuple[str, ...]:
        """Leave that was given and not used, windows too: whoever still wants it asks again."""
        now, closed = self.clock(), list[str]()
        for ticket in await self.tickets.since(now - LONGEST):
            fence = next((each for each in fences if _asked_in(ticket).by(each)), None)
            if fence is None or ticket.stand != "approved" or ticket.expires_at <= now:
                continue
            said = self.protector.protect_text(f"contained: {fence.why}")
            word = Word(ticket.id, "closed", fence.by, now, ticket.expires_at, said)
            try:
                await self._note(fence.by, "closed", fence, said, word)
            except Refused:  # used up, or closed by another hand
                continue
            closed.append(ticket.id)
        return tuple(closed)

    async def _ended(self, fences: Sequence[Fence]) -> tuple[CredentialLease, ...]:
        """What was lent when the fences fell, once none of it is live any more. Whoever lent it ends it."""
        if self.lent is None:
            return ()
        until = asyncio.get_running_loop().time() + CREDENTIALS_PATIENCE
        wanted = {each.id for each in self.lent.all(live=False) if _lent_to(each, fences)}
        while any(each.id in wanted for each in self.lent.all(live=True)):
            if asyncio.get_running_loop().time() > until:
                break
            await asyncio.sleep(0.02)
        return tuple(each for each in self.lent.all(live=False) if each.id in wanted)

    async def _note(self, by: str, what: str, fence: Fence, why: str, *claims: Claim) -> None:
        facts = {"scope": fence.scope, "value": fence.value, "why": why}
        for each in claims:
            if isinstance(each, Word):
                facts["ticket"] = each.ticket
        entry = of_act(
            self.new_call_id(),
            by,
            f"fences/{what}",
            self.protector.protect(facts, {}),
            tenant=self.tenant,
            task=fence.value if fence.scope == "task" else "",
            target=str(fence),
            grant=next((each.grant for each in claims if isinstance(each, End)), ""),
        )
        line = record.noted(entry, self.clock(), dict(facts), claims)
        await self.journal.append(line).sealed()


def caught_of(row: CallRow) -> Caught:
    """A call on record, as fences see it."""
    it = row.record
    return Caught(it.agent, it.tenant, it.task, (it.grant,), it.server, it.tier)


def _asked_in(ticket: Ticket) -> Caught:
    """What leave is for, as fences see it. A window is for no task; and leave under a grant is no good without that."""
    return Caught(ticket.agent, ticket.tenant, ticket.task, (), ticket.server, ticket.tier)


def _concerns(fence: Fence, row: Standing) -> bool:
    """A fence on a server or a tier stops calls, and takes nobody's grant."""
    grant = row.grant
    return Caught(grant.agent, grant.tenant, grant.task, (grant.id,)).by(fence)


def _lent_to(lease: CredentialLease, fences: Sequence[Fence]) -> bool:
    """Was it live when the first of these fell on whom it was lent to?"""
    at = min(fence.at for fence in fences)
    was_live = lease.state in LIVE or lease.changed_at >= at
    return was_live and not lease.is_ours and any(lease.caught.by(fence) for fence in fences)


def _of_grant(grant: str, fence: Fence) -> Fence:
    """What is below a revoked grant is cut off too, though its agent and task have other names."""
    return Fence("grant", grant, fence.by, fence.why, fence.at)
