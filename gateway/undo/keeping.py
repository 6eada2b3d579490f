"""Keeps the deadlines of tasks: what nobody confirmed is undone, if that is clean; if not, a person is asked.

Clean: every call of the task since it began stands so that it can be undone, behind a guard that
protects what others wrote. It never forces. It knows deadlines and rollbacks, and no clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from gateway.core.reverse import GUARDS
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.undo.deadlines import LATE_SECONDS, Deadlines, Promise, Stand
from gateway.undo.plan import NOT_THERE, TO_DO, Plan
from gateway.undo.report import Report
from gateway.undo.rollback import Rollback
from gateway.undo.select import Wanted

log = logging.getLogger("bulkhead.undo")

Opener = Callable[[str], AbstractAsyncContextManager[Rollback]]
"""A rollback for this operator."""
STRONG: Final = GUARDS.index("locked-check")


def scope(promise: Promise) -> Wanted:
    """The calls a promise is about."""
    tenants = (promise.tenant,) if promise.tenant else ()
    return Wanted(tasks=(promise.task,), since=promise.begun_at, tenants=tenants)


async def keep(deadlines: Deadlines, opener: Opener, now: int) -> None:
    """Sees to every task whose time is over. Raises what a rollback raised, once all were seen to; the
    promise it was about stays open then."""
    failures: list[Exception] = []
    looked = deadlines.look()
    for unreadable in looked.unreadable:
        log.error("a task's deadline is not known: %s", unreadable)
    for promise in looked.overdue(now):
        try:
            kept = await keep_one(deadlines, promise, opener, now)
        except Exception as error:
            # One that cannot be undone now must not keep the others from it.
            failures.append(error)
            continue
        if kept is not None:
            log.warning("task %s was not confirmed in time: %s", kept.task, kept.why)
    if failures:
        raise failures[0]


async def keep_one(
    deadlines: Deadlines, promise: Promise, opener: Opener, now: int
) -> Promise | None:
    """What became of a task whose time is over; None when it is not, or somebody else sees to it."""
    with deadlines.held(promise.task, promise.tenant) as held:
        if held is None or held.stand != "open" or held.deadline > now:
            return None
        stand, why = await _undone(held, opener, now)
        return deadlines.settle(held, stand, why)


async def take_back(deadlines: Deadlines, promise: Promise, rollback: Rollback) -> Report:
    """Undoes a held promise now, as far as that can be done without conflict; what is left is in the report."""
    report = await _carried_out(promise, rollback)
    if report is None:
        report = await rollback.execute(await rollback.plan(scope(promise)), "skip")
    stand: Stand = "undone" if report.exit_status in (0, 3) else "asks"
    deadlines.settle(promise, stand, report.summary)
    return report


async def _undone(promise: Promise, opener: Opener, now: int) -> tuple[Stand, str]:
    if now - promise.deadline > LATE_SECONDS * 1_000_000:
        return "asks", "its deadline was missed by more than an hour: bulkhead rollback --task ..."
    async with opener(promise.operator) as rollback:
        report = await _carried_out(promise, rollback)
        if report is None:
            try:
                plan = await rollback.plan(scope(promise))
            except Refused as no:
                if no.reason is not Reason.UNKNOWN_TARGET:
                    raise
                return "asks", no.detail  # a task of several tenants
            if not plan.entries:
                return "undone", "there was nothing to undo"
            unclean = _unclean(plan)
            if unclean:
                return "asks", f"it is not undone by itself, for {unclean}"
            report = await rollback.execute(plan, "refuse")
    return ("undone" if report.exit_status in (0, 3) else "asks"), report.summary


async def _carried_out(promise: Promise, rollback: Rollback) -> Report | None:
    """The end of an undo of this task that was cut off; None when there is none."""
    for undo_id in rollback.unfinished(scope(promise)):
        return await rollback.resume(undo_id)
    return None


def _unclean(plan: Plan) -> str:
    """Why nobody but a person may carry this plan out; empty when all is well."""
    for entry in plan.entries:
        call = entry.call
        if entry.standing not in TO_DO | NOT_THERE:
            return f"{call.call_id} is {entry.standing}"
        if entry.standing in TO_DO and GUARDS.index(call.reversal.guard) < STRONG:
            return f"{call.call_id} has guard {call.reversal.guard}"
    return ""
