"""The duty `approve`: the leave a call has, or the ticket it must wait with.

The agent hears an opaque ticket and comes again with the same call. It knows no operator and no store.
"""

from __future__ import annotations

import os
from base64 import b32encode
from collections.abc import Callable, Mapping

from gateway.core import approval
from gateway.core.approval import Leave, Ticket
from gateway.core.decide import Decided
from gateway.core.grant import Grant
from gateway.core.model import Obligation
from gateway.core.record import Claim
from gateway.core.reverse import READ, Reversal
from gateway.errors import Refused
from gateway.ports import Mark, Protector, Tickets
from gateway.reasons import Reason
from gateway.values import Value


class Asking(Value):
    """`ports.Approvals`."""

    tickets: Tickets
    protector: Protector
    clock: Callable[[], int]
    """Microseconds since the epoch."""

    async def leave(
        self,
        call_id: str,
        decided: Decided,
        reversal: Reversal | None,
        marks: Mapping[str, Mark],
        grant: Grant | None,
    ) -> Claim:
        """See `ports.Approvals`."""
        new = self._ticket(call_id, decided, reversal or READ, marks, grant)
        found = await self.tickets.ask(new)
        if found.stand == "approved":
            return Leave(found.id, call_id, self.clock(), found.kind == "window")
        duty = _duty(decided)
        denied = found.stand == "denied"
        reason = Reason.APPROVAL_DENIED if denied else Reason.APPROVAL_NEEDED
        raise Refused(reason, found.id, duty.where, duty.rule, ticket=found.id)

    def _ticket(
        self,
        call_id: str,
        decided: Decided,
        reversal: Reversal,
        marks: Mapping[str, Mark],
        grant: Grant | None,
    ) -> Ticket:
        classified, now = decided.classified, self.clock()
        resolved, protect = classified.resolved, self.protector.protect
        identity, level = resolved.request.identity, reversal.level.value
        bound = approval.binding(classified, grant.id if grant else "", level)
        return Ticket(
            id=new_ticket(),
            digest=self.protector.digest(bound),
            asked_by=identity.agent,
            agent=identity.agent,
            on_behalf_of=identity.on_behalf_of or (grant.on_behalf_of if grant else ""),
            tenant=identity.tenant,
            task=identity.task,
            server=resolved.target.server,
            tool=self.protector.protect_text(resolved.target.policy_name),
            tier=classified.tier,
            effect=classified.effect,
            destination=classified.destination,
            arguments=protect(resolved.arguments, marks)[0],
            beside=protect(approval.shown_beside(classified), {})[0],
            level=level,
            undo=reversal.why,
            rule=_duty(decided).rule,
            call_id=call_id,
            created_at=now,
            expires_at=now + approval.WAITING_SECONDS * 1_000_000,
        )


def new_ticket() -> str:
    """An id nobody can guess: 125 random bits."""
    return b32encode(os.urandom(16)).decode().lower()[:25]


def _duty(decided: Decided) -> Obligation:
    return next(duty for duty in decided.decision.obligations if duty.name == approval.DUTY)
