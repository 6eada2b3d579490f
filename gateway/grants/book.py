"""The grants in force, in memory, as the Line asks them: by the agent and task of a verified token.

It looks at the store's epoch at every call and reads what is new, so a grant that any process has ended
covers nothing from the next call on. An agent whose task had a grant is never back to its role alone:
over is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Final

from gateway.core import cover as core
from gateway.core.bounded import limited
from gateway.core.cover import Cover
from gateway.core.grant import Chain, Grant
from gateway.core.model import Classified, Tier, WorkloadIdentity
from gateway.core.record import Claim
from gateway.core.validate import MAX_STEPS
from gateway.errors import JournalError, Refused
from gateway.grant_ports import GrantStore
from gateway.grants.holding import Held, under
from gateway.grants.inforce import InForce
from gateway.grants.outside import Outside
from gateway.reasons import Reason

log = logging.getLogger("bulkhead.grants")

EVERY: Final = 0.05
"""Seconds between two looks of the watch."""
UNSAID: Final = 20
"""Looks of the watch after which it reads without being told to."""
ENDS: Final = 256  # that one look of the watch sees to: all calls wait for it
MOST: Final = 8_192
"""Callers of whom it is kept what they hold. Past it all are forgotten."""
SET_BACK: Final = 1_000_000
"""Microseconds by which a clock that is before what it was has been set."""


class GrantBook:
    """`grant_ports.Grants`, of one gateway process."""

    def __init__(
        self, store: GrantStore, standing: Callable[[], frozenset[Tier]], clock: Callable[[], int]
    ) -> None:
        """`standing`: the tiers a role alone is enough for. `clock`: microseconds since the epoch."""
        self._store = store
        self.labels = store.labels
        self._standing = standing
        self._clock = clock
        self.on_change: Callable[[], None] = lambda: None
        self._epoch = -1
        self._rev = 0
        self._latest = 0
        """The time, at the last look at it."""
        self._ends: list[tuple[int, str]] = []
        """A heap: when each of them may be over by itself."""
        self._in_force = InForce()
        self._held: dict[int, Held] = {}
        """What callers hold, until another grant is given or one is over: by the id of each, who is kept alive for
        that."""
        self._outside = Outside()
        self._used_up: set[str] = set()
        """As far as calls have found out. Nothing is ever added to what a grant gives."""

    def cover(self, classified: Classified, without: Sequence[str] = ()) -> Cover:
        """See `grant_ports.Grants`."""
        if without:
            self._look_at(without[-1])
        self.refresh()
        held = self._held_by(classified.resolved.request.identity)
        if held.by_role is not None:
            if classified.tier not in self._standing():
                raise Refused(Reason.GRANT_NEEDED, f"tier {classified.tier} needs one")
            return held.by_role
        if not held.is_bounded:
            return self._first(held, classified, without)
        with limited(MAX_STEPS):  # for all of them: an agent may hand on hundreds
            return self._first(held, classified, without)

    def _first(self, held: Held, classified: Classified, without: Sequence[str]) -> Cover:
        """Of its grants, the first that gives all of this call."""
        why = spent = ""
        for cover in held.covers:
            if cover.grant in without:
                continue
            if told := self._outside.call(cover, classified):
                why = told
            elif self._has_uses(cover):
                return cover
            else:
                spent = cover.grant
        if spent:
            raise Refused(Reason.GRANT_SPENT, f"grant {spent}: no uses are left")
        raise Refused(Reason.OUTSIDE_GRANT, why)

    def covers_some(self, classified: Classified) -> bool:
        """See `grant_ports.Grants`."""
        held = self._found(classified.resolved.request.identity)
        if held is None:
            return False
        if held.by_role is not None:
            return classified.tier in self._standing()
        useful = [cover for cover in held.covers if self._has_uses(cover)]
        return any(not self._outside.kind(cover, classified) for cover in useful)

    def destinations(self, identity: WorkloadIdentity) -> Sequence[str]:
        """See `grant_ports.Grants`."""
        held = self._found(identity)
        covers = held.covers if held is not None else ()
        return [text for it in covers for one in it.chain for text in one.terms.destinations]

    def in_force(self, identity: WorkloadIdentity) -> Hashable:
        """See `grant_ports.Grants`."""
        held = self._found(identity)
        if held is None:
            return None
        # A grant's terms are never changed: its id stands for them.
        ids = tuple((self._has_uses(cover), *cover.ids) for cover in held.covers)
        return ids or frozenset(self._standing())

    def all(self) -> Sequence[Grant]:
        """That may be in force, of whomever, oldest first. None is read for it. Raises `JournalError`."""
        self.refresh()
        return self._in_force.all

    def claims(self, cover: Cover, classified: Classified, approved: bool) -> tuple[Claim, ...]:
        """See `grant_ports.Grants`."""
        return core.claims(cover, classified, self._clock, approved)

    def refresh(self) -> None:
        """Take up what was given and ended since. Raises `JournalError`."""
        if (epoch := self._store.epoch()) != self._epoch:
            self._take_up()
            self._epoch = epoch

    def _take_up(self) -> bool:
        """Was there anything?"""
        at = -1
        if not self._rev:  # a journal has every grant there ever was
            at = self._latest = max(self._latest, self._clock())
        rows = self._store.since(self._rev, at)
        for row in rows:
            grant = row.grant
            if row.state == "active":
                heappush(self._ends, (row.ends_at, grant.id))
                self._in_force.add(grant)
                if row.said:
                    self._used_up.add(grant.id)
            else:
                self._drop(grant)
            self._rev = row.rev
        if rows:
            self._held.clear()
            self.on_change()
        return bool(rows)

    async def watch(self) -> None:
        """Looks also when nobody calls, until cancelled. Now and then it reads although the epoch says that there is
        nothing new: a process may have died after a change and before it told. Then this one tells all."""
        for look in count(1):
            await asyncio.sleep(EVERY)
            try:
                self.refresh()
                if look % UNSAID == 0 and self._take_up():
                    self._store.changed()
                self._tell_of_ends()
            except JournalError as error:
                log.error("grants cannot be read: %s", error)
            except Exception:
                log.exception("somebody who is told of grants failed; the watch goes on")

    def _tell_of_ends(self) -> None:
        """Of a grant that ends by its time, or by lying idle, no line tells."""
        now, ended, left = self._now(), False, ENDS
        while self._ends and self._ends[0][0] <= now and left:
            left -= 1
            one = self._in_force.find(self._ends[0][1])
            standing = self._store.find(one.id) if one and one.expires_at > now else None
            if one and standing and standing.word(now) == "active":
                heapreplace(self._ends, (standing.ends_at, one.id))  # it was used since
                continue
            heappop(self._ends)
            ended = True
            if one:
                self._drop(one)
        if ended:
            self.on_change()

    def _found(self, identity: WorkloadIdentity) -> Held | None:
        """None of one whose grants are over. Raises `JournalError`."""
        self.refresh()
        try:
            return self._held_by(identity)
        except Refused:
            return None

    def _held_by(self, identity: WorkloadIdentity) -> Held:
        """Raises `Refused` (grant_over)."""
        known = self._held.get(id(identity))
        if known is not None and (known.by_role is not None or self._now() < known.until):
            return known
        chains = self._chains(identity)
        if len(self._held) >= MOST:
            self._held.clear()
        found = self._held[id(identity)] = under(identity, chains)
        return found

    def _chains(self, identity: WorkloadIdentity) -> list[Chain]:
        """Of the grants in force for this identity, oldest first; empty when it never had one.

        Raises `Refused` (grant_over)."""
        if identity.grant:
            return [self._named(identity)]
        key = (identity.tenant, identity.agent, identity.task)
        if not self._in_force.of(key):
            if not self._store.had(*key):  # it alone knows of those that are over
                return []
            self._take_up()  # and of one that is given just now
        now = self._now()
        mine = self._in_force.of(key)
        found = [it for one in mine if one.is_for(identity) and (it := self._chain(one, now))]
        if not found:
            raise Refused(Reason.GRANT_OVER, f"no grant of task {identity.task} is in force")
        return found

    def _named(self, identity: WorkloadIdentity) -> Chain:
        now = self._now()
        grant = self._in_force.find(identity.grant)
        chain = self._chain(grant, now) if grant else ()
        mine = grant and (grant.tenant, grant.agent) == (identity.tenant, identity.agent)
        if not chain or not mine or not chain[0].is_for(identity):
            why = f"grant {identity.grant} is not in force for this agent"
            raise Refused(Reason.GRANT_OVER, why)
        return chain

    def _now(self) -> int:
        """The time. Where the clock was set back, a grant that was dropped may be in force again: all are read anew."""
        before, self._latest = self._latest, self._clock()
        if self._latest < before - SET_BACK:
            self._rev = 0
            self._take_up()
        return self._latest

    def _chain(self, grant: Grant, now: int) -> Chain:
        """The grant and all above it; empty when one of them is over."""
        chain: list[Grant] = []
        one: Grant | None = grant
        while one is not None and one.expires_at > now:
            chain.append(one)
            if not one.parent:
                return tuple(chain)
            one = self._in_force.find(one.parent)
        if grant.expires_at <= now:
            self._drop(grant)
        return ()

    def _has_uses(self, cover: Cover) -> bool:
        """As far as is known."""
        return not self._used_up or self._used_up.isdisjoint(cover.ids)

    def _look_at(self, grant_id: str) -> None:
        """A call has found too little left of this grant, or of one above it. If that is for good it is kept in mind:
        each further call would find out by a transaction of its own."""
        one = self._in_force.find(grant_id)
        while one is not None:
            standing = self._store.find(one.id)
            if standing is None or standing.word(self._clock()) != "active":
                self._drop(one)
            elif standing.uses == 0:
                self._used_up.add(one.id)
            one = self._in_force.find(one.parent)

    def _drop(self, grant: Grant) -> None:
        self._held.clear()
        self._used_up.discard(grant.id)
        if (kept := self._in_force.drop(grant)) is not None:
            self._outside.forget(kept)
