"""Where grants are given, handed on and ended: by operators and orchestrators, and by agents to their sub-agents.

Whoever asks has been identified. What is asked for is checked field by field against what it may be at
most: an intent's ceiling, or the grant it is delegated from. The line that tells of it and the grant
itself are one commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from gateway.core import record
from gateway.core.act import of_act
from gateway.core.grant import (
    MAX_ADMIN_SECONDS,
    MAX_DEPTH,
    End,
    Give,
    Grant,
    Standing,
    State,
    Terms,
    in_vain,
    wider,
)
from gateway.core.model import Decision, JsonObject, Tier
from gateway.core.record import Claim
from gateway.errors import Refused
from gateway.grant_ports import GrantStore
from gateway.ports import Journal, Protector
from gateway.reasons import Reason
from gateway.values import Value, replace

if TYPE_CHECKING:
    from gateway.grants.asked import Asked

METHOD = "grants/"
"""In front of what was done, as the journal has it."""
NO_RULE = Decision(True, Reason.ALLOWED_BY_RULE)
"""The leave of who may write to the state directory: an operator."""


class Office(Value, kw_only=True):
    """One for a process. `clock`: microseconds since the epoch."""

    store: GrantStore
    journal: Journal
    protector: Protector
    ceilings: Callable[[str], Terms | None]
    """The most a grant for an intent may give; None for one that is not declared."""
    keeps_flow: Callable[[], bool]
    """Does the policy keep account of what tasks have read?"""
    unknown: Callable[[Iterable[str]], str]
    """Which of these names of tools, as bounds have them, the policy does not know, in words."""
    tenant: str
    clock: Callable[[], int]
    new_id: Callable[[], str]

    async def give(self, asked: Asked, by: str, leave: Decision = NO_RULE) -> Grant:
        """A grant of its own. `leave`: what it is permitted by, where a policy was asked.

        Raises `Refused` (outside_grant, invalid_arguments), `JournalError`."""
        self._heed(asked)
        # Only here: an agent that hands its own on must not learn from it what else there is.
        if strange := self.unknown(asked.bounds or {}):
            raise Refused(Reason.INVALID_ARGUMENTS, strange)
        ceiling = self.ceilings(asked.intent)
        if ceiling is None:
            raise Refused(
                Reason.OUTSIDE_GRANT, f"intent {asked.intent!r} is not declared in intents.yaml"
            )
        grant_id, now = self.new_id(), self.clock()
        grant = Grant(
            id=grant_id,
            root=grant_id,
            tenant=asked.tenant or self.tenant,
            agent=asked.agent,
            on_behalf_of=asked.on_behalf_of,
            task=asked.task,
            root_task=asked.task,
            intent=asked.intent,
            terms=_bounded(_narrowed(asked, ceiling), ceiling),
            created_by=by,
            created_at=now,
        )
        return await self._give(grant, by, leave)

    async def delegate(
        self, asked: Asked, parent_id: str, by: str, leave: Decision = NO_RULE
    ) -> Grant:
        """A grant below another: no wider in any field, its budgets shared upward.

        Raises `Refused` (outside_grant, grant_over, invalid_arguments), `JournalError`."""
        self._heed(asked)
        parent, now = self.in_force(parent_id).grant, self.clock()
        if parent.depth >= MAX_DEPTH:
            raise Refused(Reason.OUTSIDE_GRANT, f"delegated {MAX_DEPTH - 1} times already")
        if asked.agent == parent.agent:
            raise Refused(Reason.OUTSIDE_GRANT, "a grant is handed on to another agent")
        if asked.intent != parent.intent or asked.tenant not in (None, parent.tenant):
            raise Refused(Reason.OUTSIDE_GRANT, f"intent {asked.intent}, tenant {asked.tenant}")
        if asked.on_behalf_of not in ("", parent.on_behalf_of):
            raise Refused(Reason.OUTSIDE_GRANT, f"on behalf of {asked.on_behalf_of}")
        left = max(1, (parent.expires_at - now) // 1_000_000)
        ceiling = replace(parent.terms, seconds=min(parent.terms.seconds, left))
        grant = replace(
            parent,
            id=self.new_id(),
            parent=parent.id,
            depth=parent.depth + 1,
            agent=asked.agent,
            task=asked.task,
            terms=_narrowed(asked, ceiling),
            created_by=by,
            created_at=now,
        )
        return await self._give(grant, by, leave)

    async def end(
        self, grant_id: str, state: State, by: str, why: str = "", leave: Decision = NO_RULE
    ) -> None:
        """It and all below it are over. Raises `Refused` (grant_over) when it is already, `JournalError`."""
        said = self.protector.protect_text(f"{by}: {why}" if why else by)
        grant = self.find(grant_id).grant
        ending = (End(grant.id, state, said),)
        await self._note(by, state, grant, {"why": said}, ending, leave)

    def find(self, grant_id: str) -> Standing:
        """The grant as it stands. Raises `Refused` (grant_over) when there is none."""
        found = self.store.find(grant_id)
        if found is None:
            raise Refused(Reason.GRANT_OVER, f"no grant {grant_id}")
        return found

    def in_force(self, grant_id: str) -> Standing:
        """The same. Raises `Refused` (grant_over) also when it is not in force."""
        found = self.find(grant_id)
        word = found.word(self.clock())
        if word != "active":
            raise Refused(Reason.GRANT_OVER, f"grant {grant_id} is {word}")
        return found

    def _heed(self, asked: Asked) -> None:
        if asked.strict_flow and not self.keeps_flow():
            why = "strict_flow: tiers.yaml says no flow, so no account is kept of it"
            raise Refused(Reason.INVALID_ARGUMENTS, why)

    async def _give(self, grant: Grant, by: str, leave: Decision) -> Grant:
        await self._note(by, "created", grant, _given(grant), (Give(grant),), leave)
        return grant

    async def _note(
        self,
        by: str,
        what: str,
        grant: Grant,
        facts: JsonObject,
        claims: Sequence[Claim],
        leave: Decision,
    ) -> None:
        entry = of_act(
            self.new_id(),
            by,
            METHOD + what,
            self.protector.protect({"grant": grant.id, **facts}, {}),
            tenant=grant.tenant,
            task=grant.task,
            intent=grant.intent,
            target=grant.agent,
            rule=leave.rule,
            where=leave.where,
            grant=grant.id,
        )
        line = record.noted(entry, self.clock(), {"grant": grant.id, **facts}, tuple(claims))
        await self.journal.append(line).sealed()
        self.store.changed()


def _given(grant: Grant) -> JsonObject:
    """What the line says of a new grant: all that a warrant of a call under it is judged by."""
    terms = grant.terms
    return {
        "of": grant.parent,
        "agent": grant.agent,
        "intent": grant.intent,
        "begins": grant.created_at,
        "expires": grant.expires_at,
        "tiers": sorted(terms.tiers),
        "tools": list(terms.tools),
        "destinations": list(terms.destinations),
        "uses": terms.uses,
        "writes": terms.writes,
        "bytes": terms.bytes,
    }


def _bounded(terms: Terms, ceiling: Terms) -> Terms:
    """The same, within the intent's bounds too: no grant above this one has them asked.

    Where both speak of one tool both are kept, however alike: to Python `const: true` equals `const: 1`."""
    bounds = {**ceiling.bounds, **terms.bounds}
    within = {name: bound for name, bound in ceiling.bounds.items() if bounds[name] is not bound}
    return replace(terms, bounds=bounds, within=within)


def tiers_of(asked: Asked, ceiling: Terms) -> frozenset[Tier]:
    """Those asked for, or else those of the ceiling that need not be."""
    return asked.tiers or ceiling.unasked_tiers


def _narrowed(asked: Asked, ceiling: Terms) -> Terms:
    """What was asked for; the ceiling's own where nothing was, but for the tiers (`tiers_of`).

    Raises `Refused` (outside_grant, invalid_arguments)."""
    given = asked.given()
    terms = replace(ceiling, **{**given, "tiers": tiers_of(asked, ceiling)})
    if Tier.ADMIN in terms.tiers:
        ceiling = replace(ceiling, seconds=min(ceiling.seconds, MAX_ADMIN_SECONDS))
    if "seconds" not in given:
        terms = replace(terms, seconds=ceiling.seconds)
    vain = in_vain(terms if "bounds" in given else replace(terms, bounds={}))
    if vain:
        raise Refused(Reason.INVALID_ARGUMENTS, vain)
    more = wider(terms, ceiling)
    if more:
        raise Refused(Reason.OUTSIDE_GRANT, more)
    return terms
