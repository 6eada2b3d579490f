"""Calls that change the world and that no agent made: the inverse calls of an undo.

An errand is a call like any other: decided, on record before it is forwarded, forwarded at most once,
its outcome on record. It has no agent to answer. It knows the ports and the core, no tool server's
transport and no pack.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Final

from gateway.core import act, record, settle
from gateway.core.describe import describe, with_others
from gateway.core.model import (
    AccessRequest,
    CallRecord,
    Classified,
    Decision,
    Effect,
    Endpoint,
    Era,
    JsonObject,
    Outcome,
    Request,
    Resolved,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.errors import Refused, Where
from gateway.finishing import to_its_end
from gateway.nobody import NOBODY
from gateway.ports import Journal, Outbound, Pending, Policies, Protector, Purpose, ToolServer
from gateway.values import replace

log = logging.getLogger("bulkhead.errands")

ENDPOINT: Final = Endpoint("tier", tier=Tier.ADMIN)
INTENT: Final = "undo"
"""The intent an inverse call is decided under, as the policy's rules name it."""
NOWHERE: Final = Where("gateway")


class GatewayErrands:
    """`ports.Errands`."""

    def __init__(
        self,
        *,
        policies: Policies,
        journal: Journal,
        protector: Protector,
        servers: Mapping[str, ToolServer],
        destinations: Mapping[str, str],
        companions: Mapping[str, str],
        tenant: str,
        clock: Callable[[], int],
        new_call_id: Callable[[], str],
    ) -> None:
        """`destinations`: where each server's calls take effect. `companions`: whose companion each one is;
        the policy is asked about that server and its destination, for it is its calls that are taken back."""
        self._policies = policies
        self._journal = journal
        self._protector = protector
        self._servers = servers
        self._destinations = destinations
        self._companions = companions
        self._changing = {name: asyncio.Lock() for name in companions}
        """Agents never ask a companion for a change: nobody has seen it take two at the same time."""
        self._tenant = tenant
        self._clock = clock
        self._new_call_id = new_call_id

    async def act(
        self,
        server: str,
        tool: str,
        arguments: JsonObject,
        purpose: Purpose,
    ) -> tuple[str, Outcome, Pending]:
        """See `ports.Errands`."""
        call_id = self._new_call_id()
        errand = self._classified(server, tool, arguments, purpose)
        decision = self._policies.current.decide(self._question(errand))
        if not act.outright(decision):
            raise await self._refused(call_id, errand, decision)
        pending = self._intent(call_id, errand, purpose, decision)
        permit = record.permit(await pending.sealed(), Effect.DESTROY)
        outcome = await self._forward(errand, permit)
        return call_id, outcome, self._settled(call_id, outcome)

    def permitted(self, server: str, tool: str, arguments: JsonObject, operator: str) -> Decision:
        """What the policy would say of an inverse call, now. Nothing is written."""
        purpose = Purpose(operator, "-", {})
        errand = self._classified(server, tool, arguments, purpose)
        return self._policies.current.decide(self._question(errand))

    def _classified(
        self, server: str, tool: str, arguments: JsonObject, purpose: Purpose
    ) -> Classified:
        identity = WorkloadIdentity(
            issuer="gateway",
            agent=purpose.operator,
            tenant=self._tenant,
            task=purpose.task,
            intent=INTENT,
            tiers=frozenset({Tier.ADMIN}),
            token_id="",
            expires_at=0,
        )
        params = {"name": tool, "arguments": arguments}
        request = Request(ENDPOINT, identity, Era.STATELESS, 0, "tools/call", params, act.CLIENT)
        target = Target(server, "tool", tool)
        resolved = Resolved(request, target, None, params)
        destination = self._destinations.get(self._companions.get(server, server), "local")
        return Classified(resolved, Tier.ADMIN, Effect.DESTROY, destination, NOWHERE)

    def _intent(
        self,
        call_id: str,
        errand: Classified,
        purpose: Purpose,
        decision: Decision,
    ) -> Pending:
        entry = self._described(call_id, errand, decision)
        line = record.intent(entry, self._clock(), purpose.body, purpose.claims)
        return self._journal.append(line)

    def _described(self, call_id: str, errand: Classified, decision: Decision) -> CallRecord:
        # An inverse call's arguments hold what was there before: for undo and nobody's eyes.
        arguments, digest = self._protector.protect(errand.resolved.arguments, {"": "sealed"})
        entry = describe(
            call_id,
            errand,
            arguments=arguments,
            arguments_digest=digest,
            policy_version=self._policies.current.version,
            rule=decision.rule or "",
            where=decision.where,
        )
        return replace(with_others(entry, decision), endpoint="", target=_name(errand))

    async def _refused(self, call_id: str, errand: Classified, decision: Decision) -> Refused:
        """The refusal, on record before anybody hears of it."""
        entry, no = self._described(call_id, errand, decision), act.refusal(decision)
        said = self._protector.protect_text(no.detail)
        line = record.refusal(entry, self._clock(), str(no.reason), said)
        await self._journal.append(line).sealed()
        return no

    async def _forward(self, errand: Classified, permit: record.Permit) -> Outcome:
        resolved = errand.resolved
        message = Outbound("tools/call", resolved.params, act.CLIENT, "bulkhead")
        try:
            server = self._servers[resolved.target.server]
            async with self._changing.get(resolved.target.server) or nullcontext():
                return await server.call(permit, message, NOBODY)
        except asyncio.CancelledError:
            gone = Outcome("in_doubt", detail="the undo was stopped while the call was under way")
            await to_its_end(self._durable(permit.call_id, gone))
            raise
        except Exception as bug:
            log.exception("errand %s to %s failed", permit.call_id, resolved.target.server)
            return Outcome("in_doubt", detail=f"{resolved.target.server}: {type(bug).__name__}")

    def _settled(self, call_id: str, outcome: Outcome) -> Pending:
        body = settle.outcome_body(outcome, self._protector.protect_text)
        return self._journal.append(record.outcome(call_id, self._clock(), outcome.kind, body))

    async def _durable(self, call_id: str, outcome: Outcome) -> None:
        await self._settled(call_id, outcome).sealed()

    def _question(self, errand: Classified) -> AccessRequest:
        """What the PDP is asked about an inverse call."""
        identity, server = errand.resolved.request.identity, errand.resolved.target.server
        return act.question(
            identity.agent,
            identity.tenant,
            identity.intent,
            self._companions.get(server, server),
            _name(errand),
            errand.resolved.arguments,
            identity.task,
            errand.destination,
        )


def _name(errand: Classified) -> str:
    """The name in policy.csv and in the journal: an inverse call is never taken for the agent's own."""
    return f"undo:{errand.resolved.target.name}"
