"""An issuer's public keys in a file: a JWK Set, or a SPIFFE bundle. Taken up again when the file changes.

A file that is broken takes nothing away. It knows no network.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.config.yamlfile import bytes_of
from gateway.errors import Misconfigured, Refused, Where
from gateway.files import following
from gateway.identity.jwk import NotAKey, read_set
from gateway.identity.presented import json_object
from gateway.identity.profile import VerificationKey, known_again

MAX_BYTES: Final = 256 * 1024

log = logging.getLogger("bulkhead.identity")


class KeyFile:
    """The keys of one file."""

    def __init__(self, path: Path) -> None:
        """Raises `Misconfigured` for a file without a key in it."""
        self._path = path
        self._keys = read(path)
        self._seen = following.signature([path])

    @property
    def alive(self) -> bool:
        """See `profile.Keys`."""
        return bool(self._keys)

    def key(self, kid: str) -> VerificationKey | None:
        """See `profile.Keys`."""
        return self._keys.get(kid)

    async def refreshed(self) -> bool:
        """See `profile.Keys`. A file that has changed is read at once."""
        before = self._keys
        await self.look()
        return self._keys is not before

    async def look(self) -> None:
        """See `profile.Keys`."""
        seen = await asyncio.to_thread(following.signature, [self._path])
        if seen == self._seen:
            return
        self._seen = seen
        try:
            await self._take()
        except Misconfigured as error:
            _not_taken(str(error))

    async def keep(self) -> None:
        """See `profile.Keys`."""
        await following.follow(lambda: [self._path], self._take, _not_taken)

    async def _take(self) -> None:
        self._keys = known_again(self._keys, await asyncio.to_thread(read, self._path))


def _not_taken(why: str) -> None:
    log.error("keys not taken, the earlier ones stay in force: %s", why)


def read(path: Path) -> Mapping[str, VerificationKey]:
    """The keys in the file by id. Raises `Misconfigured`."""
    where = Where(str(path))
    raw = bytes_of(path, MAX_BYTES)
    try:
        keys = read_set(json_object(raw, "the file"))
    except NotAKey as error:
        raise Misconfigured(str(error), where) from None
    except Refused as error:
        raise Misconfigured(f"no JWK Set: {error.detail}", where) from None
    if not keys:
        raise Misconfigured("there is no key in it that is accepted", where)
    return keys
