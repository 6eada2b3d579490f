"""What lines use up in their own commit: by the kind of claim, the one function that takes it.

A claim that does not hold raises `Refused`, and the line goes with it. It knows no line.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.core.approval import Leave, Word
from gateway.core.credential import Moved
from gateway.core.flow import Passage
from gateway.core.forget import Forget
from gateway.core.grant import End, Give, Spend
from gateway.core.record import Claim
from gateway.core.reverse import Leased
from gateway.journals import credentials, forgetting, grants, labels, leased, spending, tickets
from gateway.journals.budgets import Left

TAKERS: Final[Mapping[type[Claim], Callable[[sqlite3.Connection, Sequence[Any]], Left | None]]] = {
    Spend: spending.take,
    Give: grants.give,
    End: grants.end,
    Passage: labels.take,
    Leave: tickets.take_leaves,
    Word: tickets.take_words,
    Leased: leased.take,
    Forget: forgetting.take,
    Moved: credentials.take,
}


def take(connection: sqlite3.Connection, claims: Iterable[Claim]) -> Left:
    """All of these, and what was left before of the budgets they took from. Raises `Refused` when one does not
    hold: the caller rolls back."""
    kinds, left = defaultdict[type[Claim], list[Claim]](list), dict[int, Sequence[int | None]]()
    for claim in claims:
        kinds[type(claim)].append(claim)
    for kind, some in kinds.items():
        left.update(TAKERS[kind](connection, some) or {})
    return left
