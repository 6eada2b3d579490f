"""Undoing a call though somebody changed it since: the steps made anew, and the way back from that. Pure.

A forced undo overwrites what is there. So that nothing is lost by it, what is there is first made the
pre-image of a call of its own, with steps that would put it back: those of the same pack, for the same
tool and arguments, as if that call had found the world of now and left the world of before.
"""

from __future__ import annotations

from gateway.core.reverse import Image, Lease, Recorded, Reversal, Step
from gateway.undo import changes, level
from gateway.undo.scope import NeedsResult, Scope, TemplateFailed
from gateway.undo.toolpack import Case, ToolPack
from gateway.values import replace


class CannotForce(Exception):
    """What is there now could not be put back, or the inverse calls cannot be made for it: why."""


def forced(
    pack: ToolPack, scope: Scope, call: Recorded, world: Image, leases: tuple[Lease, ...]
) -> tuple[tuple[Step, ...], Reversal]:
    """The steps from the world as it is to the one before the call, and how to take them back.

    Raises `CannotForce`."""
    pre = call.reversal.pre
    if gone := changes.lost((changes.among(world) or {}).get("now", {})):
        raise CannotForce(f"{gone} is more than is kept, and could not be put back")
    _, steps = _case(pack, replace(scope, pre=pre, post=world))
    case, back = _case(pack, replace(scope, pre=world, post=changes.turned(world) or pre))
    return steps, Reversal(
        level=min(case.level, call.reversal.level, key=lambda each: each.rank),
        strategy=case.strategy,
        guard=case.guard,
        fidelity=case.fidelity,
        residue=case.residue,
        why=f"what the forced undo of {call.call_id} overwrote",
        pack=call.reversal.pack,
        leases=level.footprint(call.keys, leases),
        pre=world,
        steps=back,
    )


def _case(pack: ToolPack, scope: Scope) -> tuple[Case, tuple[Step, ...]]:
    try:
        case = pack.choose(scope)
        steps = case.steps(scope) if case is not None else ()
    except (TemplateFailed, NeedsResult) as error:
        raise CannotForce(str(error)) from None
    if case is None or not steps:
        raise CannotForce("what is there could not be put back")
    return case, steps
