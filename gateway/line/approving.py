"""The duty `approve` on the Line: which calls want a person's leave, and what comes of it on their way."""

from __future__ import annotations

from gateway.core.approval import DUTY, UNSEEN, Leave, binding
from gateway.core.reverse import READ
from gateway.core.tasks import is_about_a_task
from gateway.line.way import Reversible, Way
from gateway.ports import Approvals


async def fulfil(approvals: Approvals | None, way: Way, reversible: Reversible) -> bool:
    """See to the duty, if a rule lays it on this call and nobody has yet, or for another call than it has become: under
    another grant, of another class. True: time has passed.

    A request about a task goes with the call that made it. Raises as `ports.Approvals`."""
    decided, prepared = reversible.decided, reversible.prepared
    wanted = DUTY in [duty.name for duty in decided.decision.obligations]
    if approvals is None or not wanted or (DUTY in way.fulfilled and way.bound is None):
        return False
    if not is_about_a_task(way.request):
        marks = way.policy.marks(decided.classified)
        reversal = prepared.reversal if prepared else READ
        grant = next(iter(way.covered.cover.chain), None) if way.covered else None
        bound = binding(decided.classified, grant.id if grant else "", reversal.level.value)
        if bound == way.bound:
            return False
        leave = await approvals.leave(way.call_id, decided, reversal, marks, grant)
        way.claims, way.bound = (leave,), bound
        way.fulfilled -= {UNSEEN}
        if isinstance(leave, Leave) and leave.by_window:
            way.fulfilled |= {UNSEEN}
    way.fulfilled |= {DUTY}
    return True
