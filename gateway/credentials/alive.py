"""Is what a credential is for still going on? Its grants are in force, and no fence stands before it.

Asked four times a second of every lease there is: grants are looked up again only when some grant has
changed, or when they can end by being left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.core.credential import CredentialLease
from gateway.core.grant import Standing
from gateway.errors import Refused
from gateway.grant_ports import GrantStore
from gateway.ports import Fences

IDLE_EVERY: Final = 1_000_000
"""Microseconds for which a grant with an idle time-out is believed to be as it was."""


class Alive:
    """Over the fences and grants of one gateway process."""

    def __init__(self, fences: Fences, grants: GrantStore, clock: Callable[[], int]) -> None:
        """`clock`: microseconds since the epoch."""
        self._fences = fences
        self._grants = grants
        self._clock = clock
        self._epoch = -1
        self._known: dict[str, tuple[int, Standing | None]] = {}

    def why_dead(self, lease: CredentialLease) -> str:
        """Why it is over; empty while it is not. Raises `JournalError`.

        The gateway's own is never: what was done must be undone while all are fenced."""
        if lease.is_ours:
            return ""
        try:
            self._fences.check(lease.caught)
        except Refused as no:
            return no.detail
        now = self._clock()
        for name in lease.grants:
            found = self._standing(name, now)
            word = found.word(now) if found else "gone"
            if word != "active":
                return f"grant {name} is {word}"
        return ""

    def _standing(self, name: str, now: int) -> Standing | None:
        epoch = self._grants.epoch()
        if epoch != self._epoch:
            self._known, self._epoch = {}, epoch
        until, found = self._known.get(name, (0, None))
        if until <= now:
            found = self._grants.find(name)
            idles = found is None or found.grant.terms.idle is not None
            ends = now + IDLE_EVERY if idles or found is None else found.grant.expires_at
            self._known[name] = (ends, found)
        return found
