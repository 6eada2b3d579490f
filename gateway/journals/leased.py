"""Lines that rest on leases: looked at in their own commit, so that nobody can have come in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from gateway.core.reverse import Leased
from gateway.errors import Refused
from gateway.journals.leaserows import count
from gateway.reasons import Reason


def take(connection: sqlite3.Connection, claims: Sequence[Leased]) -> None:
    """Raises `Refused` when a call has lost a lease its line rests on."""
    for claim in claims:
        if count(connection, claim.call_id) != claim.count:
            raise Refused(Reason.OVERLOADED, f"the leases of call {claim.call_id} have ended")
