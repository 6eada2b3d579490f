"""How the world stands to what is recorded of one call: as it left it, as before, or as neither. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.record import DOUBTFUL
from gateway.core.reverse import Image, Recorded, Reversal
from gateway.undo.plan import Standing, written_later
from gateway.undo.scope import Scope
from gateway.undo.toolpack import ToolPack


def compare(
    pack: ToolPack, call: Recorded, current: Image, later: Sequence[str] = ()
) -> tuple[Standing, str]:
    """`current`: what the call's own reads find now. `later`: calls that wrote there since, and stay."""
    standing, why = _compared(pack, call, current)
    if later and standing == "ready":
        return "dependents", written_later(later)
    if later and standing == "drift":
        return standing, f"changed since, and {written_later(later)}"
    if later and standing == "already":
        return standing, f"{why}; {written_later(later)}, which may have moved what it left"
    return standing, why


def _compared(pack: ToolPack, call: Recorded, current: Image) -> tuple[Standing, str]:
    if call.state in DOUBTFUL:
        return _unheard(pack, call, current)
    if call.post is None:
        return "irreversible", "what it left behind was not captured"
    if pack.same(call.post, current):
        if pack.same(call.reversal.pre, current):
            return "nothing", "it changed nothing"
        return "ready", ""
    if pack.same(call.reversal.pre, current):
        return "already", "the world is as it was before the call"
    return "drift", "changed since, by nobody the journal knows of"


def can_be_cancelled(reversal: Reversal) -> bool:
    """A try whose cancel may be sent whether or not the try has arrived, and keeps it from arriving later.

    That is what a pack says with strategy tcc; its steps must not need the answer, which is lost."""
    return reversal.strategy == "tcc" and bool(reversal.steps)


def _unheard(pack: ToolPack, call: Recorded, current: Image) -> tuple[Standing, str]:
    """A try nobody heard back from. Also where there is nothing to be seen of it the cancel is sent:
    it may be on its way."""
    pre = call.reversal.pre
    scope = Scope(call.arguments or {}, {"id": call.call_id}, pre=pre, cur=current)
    if pack.same(pre, current) or pack.expect(scope) is True:
        return "ready", "not known whether it arrived: it is cancelled either way"
    return "drift", "neither as it was before nor as the call would have made it"
