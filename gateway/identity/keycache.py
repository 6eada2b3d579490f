"""One issuer's keys in memory, and the loop that keeps them fresh.

Laws:
1. Looking a key up is a dictionary access: no wait, no I/O.
2. A fetch that fails takes nothing away: what was there is good for `STALE` seconds more.
3. A key the issuer no longer names is gone with the next fetch.
4. Keys nobody has heard of cause one fetch in `GAP` seconds, however many tokens name them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio

from gateway.identity.profile import VerificationKey, known_again
from gateway.values import Value

GAP: Final = 30.0
"""Seconds between two fetches, at least, whatever tokens say."""
WAIT: Final = 2.0
"""Seconds a call waits for a fetch its key may come with."""
STALE: Final = 86_400.0
TTL: Final = 300
SHORTEST, LONGEST = 60, 3_600
AHEAD: Final = 0.8
"""The part of a lifetime after which the next fetch begins."""
RETRY: Final = 5.0
"""Seconds after a fetch that failed; doubled each time, up to `SHORTEST`."""

log = logging.getLogger("bulkhead.identity")


class Unfetched(Exception):
    """No keys this time, or no answer. The message says why."""


class Fetched(Value):
    """What an issuer's keys are now."""

    keys: Mapping[str, VerificationKey]
    max_age: int | None = None
    """Seconds the issuer says they are good for."""


class KeyCache:
    """What `fetch` brought, while `keep` runs."""

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[Fetched]],
        clock: Callable[[], float],
    ) -> None:
        """`name`: for the operator's log. `clock`: seconds that only grow."""
        self._name = name
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[str, VerificationKey] = {}
        self._fetched_at = self._began_at = self._due_at = -STALE
        self._misses = 0
        self._fetching = False
        self._wanted = anyio.Event()
        self._ended = anyio.Event()

    def key(self, kid: str) -> VerificationKey | None:
        """The key of that id; None when the issuer has none, or has not been heard for too long."""
        return self._keys.get(kid) if self.alive else None

    @property
    def alive(self) -> bool:
        """Are there keys to verify by?"""
        return bool(self._keys) and self._clock() - self._fetched_at < STALE

    async def refreshed(self) -> bool:
        """Has a fetch ended since? False: it is too soon for another, or none ended in `WAIT` seconds."""
        if not self._fetching and self._clock() - self._began_at < GAP:
            return False
        ended = self._ended
        self._wanted.set()
        with anyio.move_on_after(WAIT):
            await ended.wait()
        return ended.is_set()

    async def keep(self) -> None:
        """Fetches until cancelled."""
        while True:
            with anyio.move_on_after(max(0.0, self._due_at - self._clock())):
                await self._wanted.wait()
            await self.look()

    async def look(self) -> None:
        """One fetch."""
        self._began_at, self._fetching = self._clock(), True
        try:
            fetched = await self._fetch()
        except Exception as error:  # whatever it was, it took no key away
            self._misses += 1
            told = log.error if self._misses > 1 else log.warning
            why = error if isinstance(error, Unfetched) else repr(error)
            told("keys of %s not fetched, time %d: %s", self._name, self._misses, why)
            pause = min(SHORTEST, RETRY * 2 ** min(self._misses - 1, 8))
        else:
            self._keys = known_again(self._keys, fetched.keys)
            self._fetched_at, self._misses = self._clock(), 0
            ttl = TTL if fetched.max_age is None else fetched.max_age
            pause = AHEAD * min(LONGEST, max(SHORTEST, ttl))
        finally:
            self._fetching, self._wanted = False, anyio.Event()
            ended, self._ended = self._ended, anyio.Event()
            ended.set()
        self._due_at = self._clock() + pause
