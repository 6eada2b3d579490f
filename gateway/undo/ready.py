"""A write that may be forwarded: leased, captured, and with all that is needed to judge its outcome."""

from __future__ import annotations

from gateway.core.model import JsonObject, Target
from gateway.core.record import Claim
from gateway.core.reverse import Reversal
from gateway.undo.level import AnyCase, AnyPack
from gateway.undo.own import For
from gateway.undo.scope import Scope
from gateway.values import Value


class Ready(Value):
    """`ports.Prepared`, and what settling needs to know."""

    call_id: str
    target: Target
    account: For
    reversal: Reversal
    body: JsonObject
    """For the intent's line; pre-image and steps are sealed in it."""
    scope: Scope
    claims: tuple[Claim, ...] = ()
    """Leases it takes with its intent."""
    pack: AnyPack | None = None
    case: AnyCase | None = None
    version: str | None = None
    """What its server called itself when its pack was chosen."""
    pid: int | None = None
    """Once it is in doubt: the process that has it, where that is known (`Outcome.pid`)."""

    @property
    def looks(self) -> bool:
        """See `ports.Prepared`."""
        return self.pack is not None
