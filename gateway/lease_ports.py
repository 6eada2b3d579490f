"""The seam of leases: who writes what, over all gateway processes.

It knows the core's values and nothing of any adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.core.reverse import Lease, Leased, Taken


class Leases(Protocol):
    """Who writes what, over all gateway processes of one journal (journals/leases.py).

    A lease ends by `release`, at its term, or `quiesce` seconds after its gateway process ended."""

    async def take(
        self,
        call_id: str,
        keys: Sequence[str],
        shared: Sequence[str] = (),
        *,
        term: float,
        quiesce: float,
    ) -> tuple[Lease, ...]:
        """All of these resources, or none, first come first served; one `Lease` for each of `keys`.

        No other call has a resource that overlaps (`core.reverse.overlaps`) meanwhile; `shared` ones
        exclude only those who want them alone. `term`: seconds the lease lasts at most.
        Raises `Refused` (overloaded) when they are not free in time, `JournalError`."""
        ...

    async def take_one(self, call_id: str, key: str, *, term: float, quiesce: float) -> Taken:
        """The same of one resource, of which nothing is read before the call's intent: where there are claims, it is
        leased in the commit of that line. If they do not hold, this is asked again."""
        ...

    def at_once(self, call_id: str, key: str, *, term: float, quiesce: float) -> Taken | None:
        """The same without a wait. None where it is not free, or that cannot be foreseen."""
        ...

    def claim(self, call_id: str) -> Leased:
        """That it still has every lease it took, to be looked at in the commit of a line."""
        ...

    def release(self, call_id: str, after: float = 0.0) -> None:
        """Let go of all it has, at once or `after` seconds. Never fails; nothing held, nothing done.

        Whoever takes it next has it when every line that was queued before is durable or refused, not before."""
        ...
