"""The duty `approve` on the Line: which calls want a person's leave, and what comes of it on their way."""

from __future__ import annotations

from gateway.core.approval import DUTY
from gateway.core.decide import Decided
from gateway.core.tasks import is_about_a_task
from gateway.ports import Approvals, Prepared
from gateway.way import Way


async def fulfil(
    approvals: Approvals | None, way: Way, decided: Decided, prepared: Prepared | None
) -> bool:
    """See to the duty, if a rule lays it on this call and nobody has yet. True: time has passed.

    A request about a task goes with the call that made it. Raises as `ports.Approvals`."""
    wanted = DUTY in [duty.name for duty in decided.decision.obligations]
    if approvals is None or not wanted or DUTY in way.fulfilled:
        return False
    if not is_about_a_task(way.request):
        marks = way.policy.marks(decided.classified)
        reversal = prepared.reversal if prepared else None
        grant = next(iter(way.covered.cover.chain), None) if way.covered else None
        leave = await approvals.leave(way.call_id, decided, reversal, marks, grant)
        way.claims += (leave,)
    way.fulfilled |= {DUTY}
    return True
