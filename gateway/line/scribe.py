"""What the Line writes down of a call: its intent, its outcome, or why it was refused.

It turns values into journal lines that hold no secret. It decides nothing and forwards nothing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from gateway.core import record, settle
from gateway.core.approval import Leave
from gateway.core.cover import Cover
from gateway.core.decide import Discharged
from gateway.core.describe import asked_with, beside, describe, trace_of, whole
from gateway.core.model import Answer, CallRecord, Classified, Outcome, Own, Request, Resolved
from gateway.core.record import Claim, State
from gateway.core.reverse import Reversal, Settled, lapsed
from gateway.errors import JournalError, Refused, Where
from gateway.line import holding
from gateway.line.alike import Alike
from gateway.line.way import Way
from gateway.ports import Journal, Mark, Pending, Prepared, Protector, Reverser
from gateway.reasons import Reason
from gateway.values import replace

log = logging.getLogger("bulkhead.line")

Results = Literal["none", "writes", "all"]
P = TypeVar("P", bound=Prepared)


class Scribe:
    """Writes the Line's lines."""

    def __init__(
        self,
        journal: Journal,
        protector: Protector,
        clock: Callable[[], int],
        results: Results,
    ) -> None:
        """`clock` gives microseconds since the epoch. `results`: of which calls they are kept."""
        self._results = results
        self._journal = journal
        self._protector = protector
        self._clock = clock
        self.clean = protector.protect_text
        """Keeps secrets out of a text."""
        self._alike = Alike(self.clean)

    def intent(
        self,
        way: Way,
        discharged: Discharged,
        cover: Cover,
        prepared: Prepared | None,
        claims: tuple[Claim, ...],
    ) -> Pending:
        """Step 11's line, queued. `cover`: what it is made under; `prepared`: what the undo of a write will need;
        `claims`: what the line stands or falls with. Raises `JournalError`."""
        decided, at = discharged.decided, self._clock()
        body = _with_ticket(prepared.body if prepared else {}, claims)
        like = self._alike.of(decided, way.policy, cover.grant)
        if way.waited:
            line = replace(holding.sent(way.call_id, like.record, at, body), claims=claims)
        else:
            own = self._own(decided.classified.resolved, like.marks)
            line = record.intent_like(way.call_id, at, body, like.record, claims, own)
        return self._journal.append(line)

    async def held(self, way: Way, discharged: Discharged, reversal: Reversal) -> Answer:
        """The line of a call that waits, durable on return, and what its agent hears.

        Raises `Refused` for one that cannot be kept, `JournalError`."""
        decided, now = discharged.decided, self._clock()
        like = self._alike.of(decided, way.policy, _grant(way))
        entry = whole(way.call_id, like.record, self._own(decided.classified.resolved, like.marks))
        until = now + holding.seconds(decided, reversal, way.fulfilled) * 1_000_000
        body = holding.body(
            decided, until, way.fulfilled, way.bound, like.marks, self._protector.seal
        )
        body = _with_ticket(body, way.claims)
        await self._journal.append(record.held(entry, now, body, way.claims)).sealed()
        return holding.answer(way.call_id, until, decided.classified.resolved.entry)

    def never_forwarded(self, call_id: str) -> None:
        """The agent went away while the intent was on its way to the disk: say what became of it."""
        body = {"detail": "cancelled before it was forwarded"}
        with contextlib.suppress(JournalError):
            self._journal.append(record.outcome(call_id, self._clock(), "rejected", body))

    def outcome(
        self,
        call_id: str,
        outcome: Outcome,
        said: dict[str, Any],
        body: dict[str, Any],
        state: State | None = None,
        claims: tuple[Claim, ...] = (),
    ) -> Pending:
        """Step 14's line, queued before anything is waited for: an agent that goes away now changes nothing. When it is
        durable, its intent is. `said`: of the outcome (`settle.outcome_body`), `body`: beside it.

        Raises `JournalError`."""
        if self._results == "all":
            body = {**self._result(outcome), **body}
        body = {**said, **body} if body else said
        return self._journal.append(
            record.outcome(call_id, self._clock(), outcome.kind, body, state, claims)
        )

    async def settled(
        self,
        call_id: str,
        outcome: Outcome,
        said: dict[str, Any],
        settled: Settled,
        prepared: P,
        reverser: Reverser[P],
    ) -> None:
        """The same, of a write. What it left behind is believed only if its leases hold in the very
        commit that says so. Raises `JournalError`.

        They are let go behind that line: the next writer has them when it is durable, and not before. Those of a
        call in doubt are not."""
        state = settled.state
        rests_on = (settled.rests_on,) if settled.rests_on else ()
        kept = self._result(outcome) if self._results == "writes" else {}
        try:
            body = {**kept, **reverser.body(prepared, settled)}
            pending = self.outcome(call_id, outcome, said, body, state, rests_on)
            if state is not State.IN_DOUBT:
                reverser.release(call_id)
            await pending.sealed()
        except Refused:
            body = {**kept, **reverser.body(prepared, lapsed(settled))}
            await self.outcome(call_id, outcome, said, body, state).sealed()

    def _result(self, outcome: Outcome) -> dict[str, Any]:
        """What the tool server answered, as the journal may keep it; nothing where it is too large, or gone
        to the agent in pieces."""
        if outcome.result is None or outcome.carried:
            return {}
        kept, _ = self._protector.protect({"result": outcome.result}, {})
        return kept if "result" in kept else {}

    async def refusal(self, way: Way, no: Refused) -> Answer:
        """A refusal is on record before the agent hears it."""
        call_id, request = way.call_id, way.request
        if way.waited and holding.waits_on(no):
            return settle.refused(request, no, call_id)  # it waits on
        try:
            entry = self._described(way, no.rule, no.where)
        except Exception:
            # What cannot be described safely is written down without its arguments, never not at all.
            log.exception("call %s cannot be described", call_id)
            entry = self._bare(way)
        detail = self.clean(no.detail)
        said = (entry, self._clock(), str(no.reason), detail)
        line = holding.refused(*said) if way.waited else record.refusal(*said, _level(way))
        try:
            await self._journal.append(line).sealed()
        except JournalError as error:
            return self.unrecorded(way, error)
        return settle.refused(request, no, call_id, _shaped(way))

    def unknown(self, way: Way) -> Answer:
        """We failed between the forward and the answer. The call is in doubt, if it is not settled by now: nothing
        stays under way for ever."""
        body = {"detail": "the gateway failed after it was forwarded"}
        line = record.outcome(way.call_id, self._clock(), "in_doubt", body)
        with contextlib.suppress(JournalError, record.IllegalMove):
            self._journal.append(line)
        return settle.refused(way.request, Refused(Reason.OUTCOME_UNKNOWN), way.call_id)

    def unrecorded(self, way: Way, error: JournalError) -> Answer:
        """What cannot be written is not done."""
        if way.waited:  # it waits on, or another gateway process has sent it
            log.warning("held call %s is not sent by this process: %s", way.call_id, error)
        else:
            log.error("call %s refused, the journal cannot be written: %s", way.call_id, error)
        return settle.refused(way.request, Refused(Reason.JOURNAL_UNAVAILABLE), way.call_id)

    def _bare(self, way: Way) -> CallRecord:
        return describe(
            way.call_id,
            way.request,
            arguments={},
            arguments_digest="",
            policy_version=way.policy.version,
        )

    def _described(self, way: Way, rule: str, where: Where | None) -> CallRecord:
        """Of a call that goes no further, however far it came."""
        policy, reached = way.policy, way.reached
        marks = policy.marks(reached if isinstance(reached, Classified) else None)
        own = self._own(reached.resolved if isinstance(reached, Classified) else reached, marks)
        entry = describe(
            way.call_id,
            reached,
            arguments=own.arguments,
            arguments_digest=own.arguments_digest,
            policy_version=policy.version,
            beside=own.beside,
            rule=rule,
            where=where,
            clean=self.clean,
        )
        grant = _grant(way)
        return replace(entry, grant=grant) if grant else entry

    def _own(self, reached: Request | Resolved, marks: Mapping[str, Mark]) -> Own:
        """What of its record is the call's own, as the journal may keep it."""
        if isinstance(reached, Resolved):
            request, asked = reached.request, reached.arguments
            more = {} if request.frame is not None else beside(reached)
        else:
            request, asked, more = reached, asked_with(reached), {}
        arguments, digest = self._protector.protect(asked, marks)
        others = self._protector.protect(more, {})[0] if more else more
        trace = "" if request.frame is not None else trace_of(request.params)
        return Own(arguments, digest, others, trace, request.session or "")


def _grant(way: Way) -> str:
    return way.covered.cover.grant if way.covered else ""


def _with_ticket(body: dict[str, Any], claims: tuple[Claim, ...]) -> dict[str, Any]:
    """With a person's leave, if one is used up with the line: which, and by that whose, stays on record."""
    tickets = [claim.ticket for claim in claims if isinstance(claim, Leave)]
    return {**body, "ticket": tickets[0]} if tickets else body


def _shaped(way: Way) -> bool:
    entry = way.reached.resolved.entry if isinstance(way.reached, Classified) else None
    return entry is not None and entry.descriptor.get("outputSchema") is not None


def _level(way: Way) -> dict[str, str]:
    """What a refused call was decided with, once a look had been taken."""
    if way.reversal is None:
        return {}
    return {"level": way.reversal.level.value, "guard": way.reversal.guard}
