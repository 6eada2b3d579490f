"""What lines use up in their own commit: by the kind of claim, the one function that takes it.

A claim that does not hold raises `Refused`, and the line goes with it. It knows no line.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from gateway.core.approval import Leave, Word
from gateway.core.credential import Moved
from gateway.core.flow import Passage
from gateway.core.forget import Forget
from gateway.core.grant import End, Give, Spend
from gateway.core.record import Claim, Waits
from gateway.core.reverse import Leased, Taking
from gateway.journals import credentials, forgetting, grants, labels, leaserows, tickets, waiting
from gateway.journals.budgets import Bill
from gateway.journals.ledger import Ledger

OF_BUDGETS: Final[Mapping[type[Claim], Callable[[Ledger, Sequence[Any]], list[Bill]]]] = {
    Spend: Ledger.take,
    Give: grants.give,
    End: grants.end,
}
TAKERS: Final[Mapping[type[Claim], Callable[[sqlite3.Connection, Sequence[Any]], None]]] = {
    Passage: labels.take,
    Leave: tickets.take_leaves,
    Word: tickets.take_words,
    Leased: leaserows.take,
    Taking: leaserows.give,
    Forget: forgetting.take,
    Moved: credentials.take,
    Waits: waiting.take,
}


def take(ledger: Ledger, claims: Iterable[Claim]) -> list[Bill]:
    """All of these, in their order, and the bill of each spend. Raises `Refused` when one does not hold: the caller
    rolls back."""
    bills: list[Bill] = []
    for kind, some in groupby(claims, type):
        if kind in OF_BUDGETS:
            bills += OF_BUDGETS[kind](ledger, [*some])
        else:
            TAKERS[kind](ledger.connection, [*some])
    return bills
