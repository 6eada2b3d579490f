"""What a rollback, and all it is done with, is made of. No rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.lease_ports import Leases
from gateway.ports import (
    Errands,
    Journal,
    JournalReader,
    Policies,
    Protector,
    ToolServer,
)
from gateway.settings import ServerSettings
from gateway.signer import Signer
from gateway.undo.held import Held, Waitings
from gateway.undo.ledger import Ledger
from gateway.undo.looking import Looker
from gateway.values import Value


class Parts(Value):
    """What a rollback is made of. `clock`: microseconds since the epoch."""

    reader: JournalReader
    ledger: Ledger
    looker: Looker
    errands: Errands
    leases: Leases
    journal: Journal
    protector: Protector
    policies: Policies
    servers: Mapping[str, ToolServer]
    settings: Mapping[str, ServerSettings]
    is_gone: Callable[[str], bool]
    """Of a gateway's run: has its process ended?"""
    parents: Callable[[], Mapping[str, str]]
    """Of every grant, the one it was made from."""
    tenant: str
    clock: Callable[[], int]
    new_call_id: Callable[[], str]
    signer: Signer
    """Plans are signed with it."""


def held_calls(parts: Parts) -> Held:
    """What an operator may do about held calls."""
    waitings = Waitings(parts.reader, parts.protector)
    return Held(waitings, parts.journal, parts.errands, parts.clock)
