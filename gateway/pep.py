"""The Line: the one way of one call, from an agent's request to its answer. The policy enforcement point.

Read `_go` from top to bottom: each step takes the value the step before it made, so none can be
left out or moved. It knows the ports, and no HTTP, SQLite or Casbin.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from time import perf_counter
from typing import Any

from gateway.core import record, settle
from gateway.core.cover import can_fail
from gateway.core.decide import Decided, admit, discharge, question, require
from gateway.core.model import Answer, Outcome, Request
from gateway.core.record import ONLY_READS
from gateway.core.resolve import Table, resolve
from gateway.core.tasks import finished, is_about_a_task
from gateway.core.validate import Check
from gateway.errors import JournalError, Refused
from gateway.finishing import to_its_end
from gateway.line import approving, holding, several
from gateway.line.bounds import Bounds
from gateway.line.carrying import Carrying
from gateway.line.courses import Courses, with_level
from gateway.line.evenly import Pace
from gateway.line.links import Links, may_follow
from gateway.line.scribe import Results, Scribe
from gateway.line.tasks import Tasks
from gateway.line.way import Recorded, Reversible, Way, taken_up
from gateway.ports import (
    Approvals,
    Catalogue,
    Channel,
    Journal,
    Outbound,
    Policies,
    Prepared,
    Protector,
    Remembered,
    Reverser,
    ToolServer,
)
from gateway.reasons import UNTOLD, Reason
from gateway.timings import newest

log = logging.getLogger("bulkhead.line")


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
        reverser: Reverser[Any],
        clock: Callable[[], int],
        new_call_id: Callable[[], str],
        bounds: Bounds,
        pace: Pace,
        remembered: Remembered | None = None,
        approvals: Approvals | None = None,
        results: Results = "none",
    ) -> None:
        """`clock`: microseconds since the epoch; `pace`: when it is heard that something is not there;
        `remembered`: what other processes tell this one; `results`: of which calls they are kept."""
        self._catalogue = catalogue
        self._policies = policies
        self._check = check
        self._journal = journal
        self._scribe = Scribe(journal, protector, clock, results)
        self.decisions = newest()
        self._servers = servers
        self._reverser = reverser
        self._new_call_id = new_call_id
        self._approvals = approvals
        self._bounds = bounds
        self._pace = pace
        self._courses = Courses()
        self._tasks = Tasks(remembered)
        self._links = Links(remembered)
        self._carrying = Carrying()
        self._steps = several.Steps(self._intent, self._reverse, self._decide_again, self._approve)

    def call(self, request: Request, channel: Channel) -> Coroutine[Any, Any, Answer]:
        """The answer to one request of an identified agent (design: steps 4 to 15).

        Raises nothing but cancellation: any failure before the forward is a refusal with a record,
        any after it an outcome in doubt."""
        policy, began = self._policies.current, self._pace.now()
        return self._go(Way(self._new_call_id(), request, policy, request, began), channel)

    def send(self, waiting: holding.Waiting, channel: Channel) -> Coroutine[Any, Any, Answer]:
        """A held call whose time has come: decided anew in all its steps, as of now, and sent at most once,
        for only one can write the intent that follows on its line. Raises as `call`."""
        return self._go(taken_up(waiting, self._policies.current), channel)

    async def _go(self, way: Way, channel: Channel) -> Answer:
        try:
            try:
                if way.request.method != "tools/call":
                    await self._recall(way)
                began = perf_counter()
                decided = self.decided(way)  # 3 to 8
                self.decisions.append(perf_counter() - began)
                if decided.classified.resolved.target.server in self._catalogue.unseen:
                    decided = await self._see(way, decided)
                reversible = Reversible(decided, None)
                if decided.classified.effect is not ONLY_READS:
                    reversible = await self._reverse(way, decided)  # 9
                if reversible.decided.decision.obligations:
                    reversible = await self._approve(way, reversible)  # 9, its duties
                decided, prepared = reversible.decided, reversible.prepared
                if prepared and holding.seconds(decided, prepared.reversal, way.fulfilled):
                    return await self._hold(way, decided, prepared)
                recorded = await several.recorded(way, reversible, self._steps)  # 10 and 11
            except Exception as error:
                return await self._refused(way, error)
            try:
                outcome = await self._forward(recorded, channel)  # 12 and 13
                settling = self._settle(recorded, outcome)  # 14
                looks = recorded.prepared is not None and recorded.prepared.looks
                answer = await (to_its_end(settling) if looks else settling)
                if way.request.endpoint.kind == "server":
                    return answer
                resolved = recorded.covered.classified.resolved
                return await self._links.tell(self._catalogue.current, resolved, answer)  # 15
            except Exception:
                # Past the forward nobody may say that nothing was done.
                log.exception("call %s failed after it was forwarded", way.call_id)
                return self._scribe.unknown(way)
        finally:
            if way.holds:
                self._reverser.release(way.call_id)

    async def _refused(self, way: Way, error: Exception) -> Answer:
        """What ends a call before it is forwarded is a refusal, and on record as one."""
        if isinstance(error, JournalError):
            return self._scribe.unrecorded(way, error)
        if not isinstance(error, Refused):
            log.error("call %s failed before it was forwarded", way.call_id, exc_info=error)
            error = Refused(Reason.INTERNAL)
        answer = await self._scribe.refusal(way, error)
        if error.reason in UNTOLD:
            await self._pace.even(way.began)
        return answer

    def _known(self, request: Request) -> Tasks | Links | None:
        """Who knows what was named to its agent before; None where only the catalogue has a say, as it has of tools."""
        links = self._links if may_follow(request) else None
        return self._tasks if is_about_a_task(request) else links

    async def _recall(self, way: Way) -> None:
        if (known := self._known(way.request)) is None:
            return
        if known is self._tasks:
            way.fulfilled = holding.DUTIES  # by the call that made the task
        await known.recall(self._catalogue.current, way.request)

    async def _see(self, way: Way, decided: Decided) -> Decided:
        """A server that was not looked at since the start may have changed: decided again when it was. Only
        who may call hears of the wait."""
        await self._catalogue.seen(decided.classified.resolved.target.server)
        return self.decided(way)

    def decided(self, way: Way) -> Decided:
        """By the policy and the catalogue of this moment; nothing is written. Raises `Refused`."""
        fallen = self._bounds.admit(way.request.identity)  # 3
        table, way.policy = self._catalogue.current, self._policies.current
        decided = self._courses.follow(table, way.policy, way.request) or self._ask(way, table)
        way.reached = classified = decided.classified
        resolved = classified.resolved
        if way.target is not None and way.target != resolved.target:
            raise Refused(Reason.UNKNOWN_TARGET, "its name became another tool's meanwhile")
        way.target = resolved.target
        way.covered = self._bounds.cover(classified, fallen, way.spent)  # 7
        if way.waited and way.covered.cover.grant != way.under:
            raise Refused(Reason.GRANT_OVER, f"it was held under {way.under or 'no grant'}")
        if (problem := self._check(resolved)) is not None:  # 8
            raise Refused(Reason.INVALID_ARGUMENTS, problem)
        return decided

    def _ask(self, way: Way, table: Table) -> Decided:
        known = self._known(way.request)
        way.reached = resolved = (known.resolve if known else resolve)(table, way.request)  # 4
        way.reached = classified = way.policy.classify(resolved)  # 5
        decision = way.policy.decide(question(admit(classified)))  # 6
        return self._courses.note(table, way.policy, require(classified, decision))

    async def _reverse(self, way: Way, decided: Decided, at_once: bool = True) -> Reversible:
        """Decided again with the level, once that is known; all of it, if time has passed. A task's is known."""
        if is_about_a_task(way.request):
            return Reversible(decided, None)
        way.holds = True
        asked = way.call_id, decided.classified, bool(way.policy.marks(decided.classified))
        prepared = self._reverser.at_once(*asked) if at_once else None
        if prepared is not None:
            return self._with_level(way, decided, prepared)
        return self._decide_again(way, await self._reverser.prepare(*asked))

    def _decide_again(self, way: Way, prepared: Prepared | None) -> Reversible:
        decided = self.decided(way)
        return self._with_level(way, decided, prepared) if prepared else Reversible(decided, None)

    def _with_level(self, way: Way, decided: Decided, prepared: Prepared) -> Reversible:
        way.reversal = reversal = prepared.reversal
        return Reversible(with_level(way.policy, decided, reversal), prepared)

    async def _approve(self, way: Way, reversible: Reversible) -> Reversible:
        """A person's leave for this very call, where a rule wants it. Looking takes time: decided again."""
        while await approving.fulfil(self._approvals, way, reversible):
            reversible = self._decide_again(way, reversible.prepared)
        return reversible

    async def _hold(self, way: Way, decided: Decided, prepared: Prepared) -> Answer:
        """Its agent hears at once that it waits; `send` takes it up when its time has come."""
        discharged = discharge(decided, {*way.fulfilled, holding.HOLD})
        return await self._scribe.held(way, discharged, prepared.reversal)

    async def _intent(self, way: Way, reversible: Reversible) -> Recorded:
        """A write waits here until its intent is durable; a read only until it stands in a sound queue."""
        discharged, prepared = discharge(reversible.decided, way.fulfilled), reversible.prepared
        covered, claims = self._bounds.take(way.covered, way.fulfilled)  # 10
        effect, claims = covered.classified.effect, claims + way.claims
        at_once = effect is ONLY_READS and self._journal.sound and not (claims and can_fail(claims))
        claims += prepared.claims if prepared else ()
        pending = self._scribe.intent(way, discharged, covered.cover, prepared, claims)
        try:
            line = pending.line if at_once else await pending.sealed()
        except asyncio.CancelledError:
            self._scribe.never_forwarded(way.call_id)
            raise
        return Recorded(covered, prepared, pending, record.permit(line, effect), at_once)

    async def _forward(self, recorded: Recorded, channel: Channel) -> Outcome:
        """At most once. If the agent goes away meanwhile, what came of the call is in doubt."""
        covered, prepared = recorded.covered, recorded.prepared
        resolved = covered.classified.resolved
        request, server = resolved.request, resolved.target.server
        if not recorded.at_once and self._bounds.withholds(covered):
            return settle.not_forwarded(server, Reason.FENCED, "fenced before it was sent")
        message = Outbound(
            request.method,
            resolved.params,
            request.client,
            request.identity.owner,
            request.extra_headers,
            self._carrying.outlet(resolved, channel, recorded.pending, prepared),
            request.session or "",
            covered,  # for 12
            ear=request.ear and self._bounds.after(covered, request.ear),
        )
        if covered.out is not None:
            channel = self._bounds.heed(covered.out, channel)
        outcome = settle.CUT_OFF
        try:
            with self._bounds.watching(covered):
                outcome = await self._servers[server].call(recorded.permit, message, channel)
        except asyncio.CancelledError:
            gone = Outcome("in_doubt", detail="cancelled by the agent while the call was under way")
            await to_its_end(self._settle(recorded, gone))
            raise
        except Exception as bug:
            log.exception("call %s: the wire to %s failed", recorded.permit.call_id, server)
            return Outcome("in_doubt", detail=f"{server}: {type(bug).__name__}")
        return outcome

    async def _settle(self, recorded: Recorded, outcome: Outcome) -> Answer:
        """The outcome is durable, and with it the intent before it, when the agent gets the answer."""
        resolved, prepared = recorded.covered.classified.resolved, recorded.prepared
        request, call_id = resolved.request, recorded.permit.call_id
        said = settle.outcome_body(outcome, self._scribe.clean)
        if "task" in said:
            self._tasks.hear(resolved, outcome, prepared.reversal if prepared else None)
        try:
            if prepared is None:
                more = {} if resolved.decided_on is None else finished(resolved, outcome)
                await self._scribe.outcome(call_id, outcome, said, more).sealed()
            else:
                seen = await self._reverser.settle(prepared, outcome)
                await self._scribe.settled(call_id, outcome, said, seen, prepared, self._reverser)
        except JournalError as error:
            log.error("call %s was forwarded but its outcome is not recorded: %s", call_id, error)
            return settle.refused(request, Refused(Reason.OUTCOME_UNKNOWN), call_id)
        if self._bounds.withholds(recorded.covered):
            return settle.refused(request, Refused(Reason.FENCED), call_id)
        return settle.answered(request, outcome, call_id)
