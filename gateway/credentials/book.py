"""What is written down of a credential's lease: its row, and the line in the journal that tells of it.

It knows the ports, and no provider and no secret.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.core import record
from gateway.core.act import of_act
from gateway.core.credential import ITSELF, CredentialLease, LeaseState, Moved
from gateway.credential_ports import CredentialLedger
from gateway.ports import Journal, Protector
from gateway.values import Value, replace

METHOD = "credentials/"
"""In front of what happened, as the journal has it."""


class Book(Value):
    """One for a process. `clock`: microseconds since the epoch."""

    ledger: CredentialLedger
    journal: Journal
    protector: Protector
    clock: Callable[[], int]
    new_id: Callable[[], str]

    async def tell(self, what: str, lease: CredentialLease) -> None:
        """The row and a line that says so, one commit, durable on return. Raises `JournalError`."""
        facts = {
            "lease": lease.id,
            "provider": lease.provider,
            "agent": lease.agent,
            "state": lease.state.value,
            "ends": lease.ends_at,
            "expires": lease.expires_at,
            "why": self.protector.protect_text(lease.said),
        }
        entry = of_act(
            self.new_id(),
            ITSELF,
            METHOD + what,
            self.protector.protect(facts, {}),
            tenant=lease.tenant,
            task=lease.task,
            server=lease.server,
            target=lease.id,
            tier=lease.tier,
            grant=lease.grants[0] if lease.grants else "",
        )
        line = record.noted(entry, self.clock(), facts, (Moved(lease),))
        await self.journal.append(line).sealed()

    def moved(self, lease: CredentialLease, state: LeaseState, said: str = "") -> CredentialLease:
        """The lease in another state, as of now. Writes nothing."""
        return replace(lease, state=state, said=said or lease.said, changed_at=self.clock())
