"""What a call still has of the leases it took."""

from __future__ import annotations

from gateway.journals.leaserows import count
from gateway.journals.leases import SqliteLeases
from gateway.lease_ports import Leases


async def holds(leases: Leases, call_id: str) -> bool:
    """All of them? Raises `JournalError`."""
    assert isinstance(leases, SqliteLeases)
    claim = leases.claim(call_id)
    return claim.count == await leases._desk.do(lambda rows: count(rows, call_id, claim.run))
