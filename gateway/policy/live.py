"""The policy in force, followed as its files change. A bad new version never replaces a good one.

A version is taken whole or not at all: read, checked, its own cases played, then swapped in one
assignment. It knows when to load; what a policy means is snapshot.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.errors import Misconfigured, Where
from gateway.files import following
from gateway.files.listing import is_there
from gateway.policy import cases, intents
from gateway.policy.snapshot import FILES, PolicySnapshot, fingerprint, load
from gateway.settings import ServerSettings

_WITHOUT: Final = {
    intents.FILE: "what stands without a grant would be the default again",
    cases.FILE: "no case would say what else is wrong",
}


class LivePolicies:
    """Implements `ports.Policies`. Raises `Misconfigured` at once if there is no good version to start with."""

    def __init__(self, directory: Path, servers: Mapping[str, ServerSettings]) -> None:
        self._directory = directory
        self._servers = servers
        self.current = self._load()
        """See `ports.Policies`."""
        self._held_to = self._there()
        self._astray = False
        """Was it told that the files cannot be taken, and nothing better since?"""

    async def watch(self, told: Callable[[str], None]) -> None:
        """Follows the files until cancelled. `told` gets one line for every version taken or refused."""

        def not_taken(why: str) -> None:
            stays, self._astray = _short(self.current.version), True
            told(f"policy not taken, {stays} stays in force: {why}")

        await following.follow(self._files, lambda: self.take(told), not_taken)

    async def take(self, told: Callable[[str], None]) -> None:
        """Takes the version on disk, if it is another one than that in force and good. Raises what it is not."""
        version = await asyncio.to_thread(fingerprint, self._directory)
        if version == self.current.version:
            if self._astray:
                told(f"policy {_short(version)} is what the files say again, and is in force")
            self._astray = False
            return
        self._must_not_widen()
        self.current = fresh = await asyncio.to_thread(self._load)
        self._held_to, self._astray = self._there(), False
        told(f"policy {_short(fresh.version)} in force, {len(fresh.book.rules)} rules")

    def _must_not_widen(self) -> None:
        """A file that is gone was not put right: a copy may be under way. Raises `Misconfigured`."""
        for path in self._held_to:
            if not is_there(path):
                hint = "put it back; to be without it, start the gateway anew"
                raise Misconfigured(f"it is gone: {_WITHOUT[path.name]}", Where(str(path)), hint)

    def _there(self) -> list[Path]:
        """What the version in force is held to, of what a policy may be without."""
        return [path for name in _WITHOUT if is_there(path := self._directory / name)]

    def _files(self) -> list[Path]:
        return [self._directory / name for name in FILES]

    def _load(self) -> PolicySnapshot:
        return cases.require(load(self._directory, self._servers))


def _short(version: str) -> str:
    return version[:19]
