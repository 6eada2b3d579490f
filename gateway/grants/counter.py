"""Where orchestrators and agents ask for grants over the network: each act decided, done and on record.

    create, revoke, complete, list, show   whoever a rule of policy.csv lets: server `bulkhead`, tier admin,
                                           tool `grants:<verb>`, intent the grant's
    delegate                               the agent whose grant it is, if a rule lets it hand it on
    show, list, complete                   also the agent whose grant it is
    show, list, revoke                     also who gave it

A grant with the admin tier in it is asked about as `grants:elevate` beside that. What may not be known and
what is not there sound the same. It knows the office and the policy, and no HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Final, assert_never

from gateway.core import record
from gateway.core.act import not_theirs, of_act, outright, question, refusal
from gateway.core.grant import Grant, Standing, State
from gateway.core.model import (
    Answer,
    Decision,
    JsonObject,
    RpcError,
    Tier,
    WorkloadIdentity,
)
from gateway.core.settle import GATEWAY_ERRORS, INVALID_PARAMS
from gateway.errors import JournalError, Refused
from gateway.grant_ports import GrantAct
from gateway.grants.asked import Asked, read_asked
from gateway.grants.office import METHOD, NO_RULE, Office, tiers_of
from gateway.grants.shown import as_json
from gateway.ports import Policies
from gateway.reasons import Reason, told
from gateway.settings import ITSELF
from gateway.values import Value

log = logging.getLogger("bulkhead.grants")

MOST_LISTED: Final = 1_000
HOLDER: Final = frozenset({"show", "complete"})
GIVER: Final = frozenset({"show", "revoke"})


class Counter(Value, kw_only=True):
    """`grant_ports.GrantDesk`."""

    office: Office
    policies: Policies
    admit: Callable[[WorkloadIdentity], object]
    """Step 3 of the Line. Raises `Refused` (fenced)."""
    given: Callable[[], Sequence[Grant]]
    """All that may be in force, oldest first (`GrantBook.all`)."""

    async def act(self, identity: WorkloadIdentity, act: GrantAct) -> Answer:
        """See `grant_ports.GrantDesk`."""
        try:
            self.admit(identity)
            return Answer(await self._done(identity, act))
        except Refused as no:
            return await self._refused(identity, act, no)
        except JournalError as error:
            log.error("grants/%s is not done, the journal cannot be written: %s", act.verb, error)
            return _error(Refused(Reason.JOURNAL_UNAVAILABLE), "")
        except Exception:
            log.exception("grants/%s failed", act.verb)
            return await self._refused(identity, act, Refused(Reason.INTERNAL))

    async def _done(self, identity: WorkloadIdentity, act: GrantAct) -> JsonObject:
        match act.verb:
            case "list":
                return {"grants": self._listed(identity)}
            case "create":
                return await self._create(identity, act)
            case "delegate":
                return await self._delegate(identity, act)
            case "show":
                return self._shown(self._found(identity, act)[0].grant)
            case "revoke" | "complete":
                return await self._end(identity, act)
            case _ as never:
                assert_never(never)

    async def _create(self, identity: WorkloadIdentity, act: GrantAct) -> JsonObject:
        own = {"tenant": identity.tenant, "on_behalf_of": identity.on_behalf_of}
        asked = _read({**own, **act.said})
        if why := not_theirs(identity.tenant, identity.on_behalf_of, act.said):
            raise Refused(Reason.NO_RULE, why)
        ceiling = self.office.ceilings(asked.intent)
        tiers = tiers_of(asked, ceiling) if ceiling else ()
        leave = self._permitted(identity, act, asked.intent, tiers)
        return self._shown(await self.office.give(asked, identity.agent, leave))

    async def _delegate(self, identity: WorkloadIdentity, act: GrantAct) -> JsonObject:
        row = self.office.store.find(act.grant)
        if row is None or not _holds(identity, row.grant):
            raise Refused(Reason.UNKNOWN_TARGET, f"no grant {act.grant} of this agent and task")
        asked = _read({"intent": row.grant.intent, **act.said})
        tiers = tiers_of(asked, row.grant.terms)
        leave = self._permitted(identity, act, row.grant.intent, tiers)
        return self._shown(await self.office.delegate(asked, row.grant.id, identity.agent, leave))

    async def _end(self, identity: WorkloadIdentity, act: GrantAct) -> JsonObject:
        row, leave = self._found(identity, act)
        why = act.said.get("why", "")
        if not isinstance(why, str) or act.said.keys() - {"why"}:
            raise Refused(Reason.INVALID_ARGUMENTS, 'the body may say {"why": "..."} and no more')
        state = _ENDS[act.verb]
        await self.office.end(row.grant.id, state, identity.agent, why[:500], leave)
        return self._shown(row.grant)

    def _listed(self, identity: WorkloadIdentity) -> list[JsonObject]:
        """Those in force that this caller may be shown, the latest first. No other is read: all calls wait for it."""
        now, found, may = self.office.clock(), list[JsonObject](), dict[str, bool]()
        for grant in reversed(self.given()):
            if grant.tenant != identity.tenant:
                continue
            if not (_holds(identity, grant) or _gave(identity, grant)):
                if grant.intent not in may:
                    asked = GrantAct("list")
                    decision = self._decide(identity, asked, "grants:list", grant.intent)
                    may[grant.intent] = outright(decision)
                if not may[grant.intent]:
                    continue
            row = self.office.store.find(grant.id)
            if row is not None and row.word(now) == "active":
                found.append(as_json(row, now))
            if len(found) == MOST_LISTED:
                break
        return found

    def _found(self, identity: WorkloadIdentity, act: GrantAct) -> tuple[Standing, Decision]:
        """The grant that is named, and what this caller may do this to it by. Raises `Refused`."""
        row = self.office.store.find(act.grant)
        if row is None or row.grant.tenant != identity.tenant:
            raise Refused(Reason.UNKNOWN_TARGET, f"no grant {act.grant}")
        held = act.verb in HOLDER and _holds(identity, row.grant)
        given = act.verb in GIVER and _gave(identity, row.grant)
        if held or given:
            return row, NO_RULE
        return row, self._permitted(identity, act, row.grant.intent)

    def _shown(self, grant: Grant) -> JsonObject:
        return as_json(self.office.find(grant.id), self.office.clock())

    def _permitted(
        self,
        identity: WorkloadIdentity,
        act: GrantAct,
        intent: str,
        tiers: Collection[Tier] = (),
    ) -> Decision:
        """Raises `Refused`. A duty on it is a no: nobody can be asked here."""
        tools = [f"grants:{act.verb}"] + ["grants:elevate"] * (Tier.ADMIN in tiers)
        decisions = [self._decide(identity, act, tool, intent) for tool in tools]
        for tool, decision in zip(tools, decisions, strict=True):
            if not outright(decision):
                raise refusal(decision, f"{tool}, intent {intent}")
        return decisions[0]

    def _decide(
        self, identity: WorkloadIdentity, act: GrantAct, tool: str, intent: str
    ) -> Decision:
        return self.policies.current.decide(
            question(
                identity.agent,
                identity.tenant,
                intent,
                ITSELF,
                tool,
                act.said,
                identity.task,
                on_behalf_of=identity.on_behalf_of,
            )
        )

    async def _refused(self, identity: WorkloadIdentity, act: GrantAct, no: Refused) -> Answer:
        """On record before whoever asked hears it."""
        office = self.office
        said = act.said.get("intent")
        entry = of_act(
            office.new_id(),
            identity.agent,
            METHOD + act.verb,
            office.protector.protect({"grant": act.grant, **act.said}, {}),
            tenant=identity.tenant,
            task=identity.task,
            intent=said if isinstance(said, str) else identity.intent,
            endpoint="/grants",
            server=ITSELF,
            target=f"grants:{act.verb}",
            tier=Tier.ADMIN,
            rule=no.rule,
            where=no.where,
            policy_version=self.policies.current.version,
            on_behalf_of=identity.on_behalf_of,
        )
        detail = office.protector.protect_text(no.detail)
        line = record.refusal(entry, office.clock(), str(no.reason), detail)
        try:
            await office.journal.append(line).sealed()
        except JournalError as error:
            log.error("a refusal of grants/%s is not recorded: %s", act.verb, error)
            return _error(Refused(Reason.JOURNAL_UNAVAILABLE), entry.call_id)
        return _error(no, entry.call_id)


_ENDS: Final[dict[str, State]] = {"revoke": "revoked", "complete": "completed"}


def _read(said: JsonObject) -> Asked:
    """Raises `Refused` (invalid_arguments), naming the member."""
    try:
        return read_asked(said)
    except ValueError as problem:
        raise Refused(Reason.INVALID_ARGUMENTS, str(problem)) from None


def _holds(identity: WorkloadIdentity, grant: Grant) -> bool:
    """Is it this caller's own, for the task its token names?"""
    if (grant.tenant, grant.agent) != (identity.tenant, identity.agent):
        return False
    if identity.on_behalf_of and grant.on_behalf_of not in ("", identity.on_behalf_of):
        return False
    return grant.id == identity.grant if identity.grant else grant.task == identity.task


def _gave(identity: WorkloadIdentity, grant: Grant) -> bool:
    return (grant.tenant, grant.created_by) == (identity.tenant, identity.agent)


def _error(no: Refused, call_id: str) -> Answer:
    """What whoever asked hears: details only of their own words, and of grants they may know."""
    heard = told(no.reason)
    data = {"reason": str(heard), "call": call_id}
    if heard is Reason.NOT_AVAILABLE:
        return _answer(INVALID_PARAMS, "Not available", data, 404)
    if heard is Reason.INVALID_ARGUMENTS:
        return _answer(INVALID_PARAMS, no.detail, data, 400)
    code, status, message = GATEWAY_ERRORS[heard]
    if heard in (Reason.OUTSIDE_GRANT, Reason.GRANT_OVER):
        message = no.detail
    return _answer(code, message, data, status)


def _answer(code: int, message: str, data: JsonObject, status: int) -> Answer:
    return Answer(error=RpcError(code, message, data, has_data=True), http_status=status)
