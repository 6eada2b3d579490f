"""The steps of a call worked out anew: from what was captured then, by the pack of now. Only when asked for.

What is done otherwise are the steps that were written down with the call. It changes no capture: a pack
that reads other things than those cannot speak for the call.
"""

from __future__ import annotations

from gateway.core.record import State
from gateway.core.reverse import Recorded
from gateway.undo.looking import Looker, Unsighted
from gateway.undo.scope import NeedsResult, TemplateFailed
from gateway.values import replace


async def replanned(looker: Looker, call: Recorded, pack: str | None = None) -> Recorded:
    """The call as the pack in force would have it undone; itself where that pack has no other word.

    `pack`: only if it is this very one, with which an undo was begun."""
    if call.state is not State.APPLIED or not call.reversal.pre or call.post is None:
        return call
    try:
        sight = await looker.sight(call, anew=True)
        if {read.name for read in sight.reads} != set(call.reversal.pre):
            return call
        case = sight.pack.choose(sight.scope)
        steps = case.steps(sight.scope) if case is not None else ()
    except (Unsighted, TemplateFailed, NeedsResult):
        return call
    other = sight.pack.pack != call.reversal.pack and pack in (None, sight.pack.pack)
    if case is None or not steps or not other:
        return call
    reversal = replace(
        call.reversal,
        level=min(case.level, sight.pack.cap, key=lambda level: level.rank),
        strategy=case.strategy,
        guard=case.guard,
        fidelity=case.fidelity,
        residue=case.residue,
        why=f"planned anew: {case.why}",
        pack=sight.pack.pack,
        steps=steps,
    )
    return replace(call, reversal=reversal)
