"""The Line: the one way of one call, from an agent's request to its answer. The policy enforcement point.

Read `call` from top to bottom: each step takes the value the step before it made, so none can be
left out or moved. It knows the ports, and no HTTP, SQLite or Casbin.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import anyio

from gateway.core import record, settle
from gateway.core.decide import Decided, admit, question, require
from gateway.core.describe import Reached, arguments_of, describe
from gateway.core.model import Answer, CallRecord, Classified, Effect, Outcome, Request, Resolved
from gateway.core.record import Line as JournalLine
from gateway.core.record import Permit
from gateway.core.resolve import resolve
from gateway.errors import JournalError, Refused, Where
from gateway.ports import (
    Catalogue,
    Channel,
    Journal,
    Outbound,
    Pending,
    Policies,
    PolicyView,
    Protector,
    ToolServer,
)
from gateway.reasons import Reason

log = logging.getLogger("bulkhead.line")

Check = Callable[[Resolved], str | None]
"""Step 6: what is wrong with a call's arguments under its pinned, closed schema; None if nothing is."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Step 11's answer: a decided call, its line in the journal, and the leave that follows from it."""

    decided: Decided
    pending: Pending
    permit: Permit


class Line:
    """Decides, records and forwards. One instance serves all agents."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        policies: Policies,
        check: Check,
        journal: Journal,
        protector: Protector,
        servers: Mapping[str, ToolServer],
        clock: Callable[[], int],
        new_call_id: Callable[[], str],
    ) -> None:
        """`clock` gives microseconds since the epoch; `new_call_id` never gives the same twice."""
        self._catalogue = catalogue
        self._policies = policies
        self._check = check
        self._journal = journal
        self._protector = protector
        self._servers = servers
        self._clock = clock
        self._new_call_id = new_call_id

    async def call(self, request: Request, channel: Channel) -> Answer:
        """The answer to one request of an identified agent (design: steps 4 to 15).

        Raises nothing but cancellation: any failure before the forward is a refusal with a record,
        any after it an outcome in doubt.
        """
        call_id = self._new_call_id()
        policy = self._policies.current
        reached: Reached = request
        try:
            reached = resolved = resolve(self._catalogue.current, request)  # 4
            reached = classified = policy.classify(resolved)  # 5
            admitted = admit(classified)
            decided = require(admitted, policy.decide(question(admitted)))  # 8
            validated = self._validate(decided)  # 6, after 8: a schema is told only to who may call
            recorded = await self._record(call_id, policy, validated)  # 11
        except Refused as no:
            return await self._refuse(call_id, policy, reached, no)
        except JournalError as error:
            return self._unrecorded(call_id, request, error)
        except Exception:
            log.exception("call %s failed before it was forwarded", call_id)
            return await self._refuse(call_id, policy, reached, Refused(Reason.INTERNAL))
        outcome = await self._forward(recorded, channel)  # 13
        return await self._settle(recorded, outcome)  # 14, 15

    def _validate(self, decided: Decided) -> Decided:
        problem = self._check(decided.classified.resolved)
        if problem is not None:
            raise Refused(Reason.INVALID_ARGUMENTS, problem)
        return decided

    async def _record(self, call_id: str, policy: PolicyView, decided: Decided) -> Recorded:
        """A write waits here until its intent is durable; a read only until it stands in a sound queue."""
        queued_will_do = decided.classified.effect is Effect.READ and self._journal.sound
        decision, classified = decided.decision, decided.classified
        entry = self._describe(call_id, policy, classified, decision.rule or "", decision.where)
        pending = self._journal.append(record.intent(entry, self._clock()))
        try:
            line = pending.line if queued_will_do else await pending.sealed()
        except asyncio.CancelledError:
            self._never_forwarded(call_id)
            raise
        return Recorded(decided, pending, record.permit(line, classified.effect))

    def _never_forwarded(self, call_id: str) -> None:
        """The agent went away while the intent was on its way to the disk: say what became of it."""
        body = {"detail": "cancelled before it was forwarded"}
        with contextlib.suppress(JournalError):
            self._journal.append(record.outcome(call_id, self._clock(), "rejected", body))

    async def _forward(self, recorded: Recorded, channel: Channel) -> Outcome:
        """At most once. If the agent goes away meanwhile, what came of the call is in doubt."""
        resolved = recorded.decided.classified.resolved
        request, server = resolved.request, resolved.target.server
        message = Outbound(
            request.method,
            resolved.params,
            request.client,
            f"{request.identity.issuer} {request.identity.tenant} {request.identity.agent}",
            request.extra_headers,
        )
        try:
            return await self._servers[server].call(recorded.permit, message, channel)
        except asyncio.CancelledError:
            gone = Outcome("in_doubt", detail="cancelled by the agent while the call was under way")
            with anyio.CancelScope(shield=True):
                await self._settle(recorded, gone)
            raise
        except Exception as bug:
            log.exception("call %s: the wire to %s failed", recorded.permit.call_id, server)
            return Outcome("in_doubt", detail=f"{server}: {type(bug).__name__}")

    async def _settle(self, recorded: Recorded, outcome: Outcome) -> Answer:
        """The outcome is durable, and with it the intent before it, when the agent gets the answer."""
        request, call_id = recorded.decided.classified.resolved.request, recorded.permit.call_id
        body = settle.outcome_body(outcome, self._protector.protect_text)
        try:
            await recorded.pending.sealed()
            settled = record.outcome(call_id, self._clock(), outcome.kind, body)
            await self._journal.append(settled).sealed()
        except JournalError as error:
            log.error("call %s was forwarded but its outcome is not recorded: %s", call_id, error)
            return settle.refused(request, Reason.OUTCOME_UNKNOWN, "", call_id)
        return settle.answered(request, outcome, call_id)

    async def _refuse(
        self, call_id: str, policy: PolicyView, reached: Reached, no: Refused
    ) -> Answer:
        """A refusal is on record before the agent hears it."""
        request = _request(reached)
        try:
            entry = self._describe(call_id, policy, reached, no.rule, no.where)
        except Exception:
            # What cannot be described safely is written down without its arguments, never not at all.
            log.exception("call %s cannot be described", call_id)
            entry = self._bare(call_id, policy, request)
        detail = self._protector.protect_text(no.detail)
        line: JournalLine = record.refusal(entry, self._clock(), str(no.reason), detail)
        try:
            await self._journal.append(line).sealed()
        except JournalError as error:
            return self._unrecorded(call_id, request, error)
        return settle.refused(request, no.reason, no.detail, call_id)

    def _bare(self, call_id: str, policy: PolicyView, request: Request) -> CallRecord:
        return describe(
            call_id, request, arguments={}, arguments_digest="", policy_version=policy.version
        )

    def _unrecorded(self, call_id: str, request: Request, error: JournalError) -> Answer:
        log.error("call %s refused, the journal cannot be written: %s", call_id, error)
        return settle.refused(request, Reason.JOURNAL_UNAVAILABLE, "", call_id)

    def _describe(
        self, call_id: str, policy: PolicyView, reached: Reached, rule: str, where: Where | None
    ) -> CallRecord:
        marks = policy.marks(reached) if isinstance(reached, Classified) else {}
        arguments, digest = self._protector.protect(arguments_of(reached), marks)
        entry = describe(
            call_id,
            reached,
            arguments=arguments,
            arguments_digest=digest,
            policy_version=policy.version,
            rule=rule,
            where=where,
        )
        # A resource is named by its URI, and a URI may hold a password.
        return replace(entry, target=self._protector.protect_text(entry.target))


def _request(reached: Reached) -> Request:
    if isinstance(reached, Classified):
        return reached.resolved.request
    return reached.request if isinstance(reached, Resolved) else reached
