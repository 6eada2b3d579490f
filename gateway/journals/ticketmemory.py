"""Tickets in memory, for tests and stories: the same promises as tickets.py, nothing durable.

They lie in a `memory.Memory`, whose lines use them up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from gateway.core import approval
from gateway.core.approval import Leave, Ticket, Word
from gateway.core.record import Claim

MIN_PREFIX = 6


class Kept(Protocol):
    """Where they lie."""

    tickets: dict[str, Ticket]


class MemoryTickets:
    """`ports.Tickets` that remembers."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    async def ask(self, ticket: Ticket) -> Ticket:
        """See `ports.Tickets`."""
        known = [one for one in self._kept.tickets.values() if one.agent == ticket.agent]
        found = approval.answer_to(ticket, known)
        self._kept.tickets.setdefault(found.id, found)
        return found

    async def find(self, name: str) -> Ticket | None:
        """See `ports.Tickets`."""
        named = [one for one in self._kept.tickets.values() if one.id.startswith(name)]
        return named[0] if len(named) == 1 and len(name) >= MIN_PREFIX else None

    async def since(self, at: int) -> Sequence[Ticket]:
        """See `ports.Tickets`."""
        found = [one for one in self._kept.tickets.values() if one.created_at >= at]
        return sorted(found, key=lambda one: -one.created_at)


def after(tickets: Mapping[str, Ticket], claims: Iterable[Claim]) -> dict[str, Ticket]:
    """The tickets once these claims are taken. Raises `Refused` when one does not hold."""
    taken = dict(tickets)
    for claim in claims:
        if isinstance(claim, Leave):
            taken[claim.ticket] = approval.used(taken.get(claim.ticket), claim)
        elif isinstance(claim, Word):
            taken[claim.ticket] = approval.decided(taken.get(claim.ticket), claim)
    return taken
