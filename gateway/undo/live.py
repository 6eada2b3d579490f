"""The packs in force: read at start, read again when a pack or an approval changes. A bad new one replaces nothing.

It knows where packs and approvals lie; what they mean is packs.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.core.model import Target
from gateway.core.reverse import Reversal
from gateway.files import following
from gateway.files.listing import named
from gateway.settings import ServerSettings
from gateway.undo import packs
from gateway.undo.packs import Packs
from gateway.undo.scope import Pinned

if TYPE_CHECKING:  # loaded where there are packs
    from gateway.undo.toolpack import ToolPack

Pins = Callable[[], Mapping[Target, Pinned]]
Redacted = Callable[[Iterable[Target]], Mapping[Target, Collection[str]]]
"""Of these tools, the arguments the journal keeps no value of: JSON pointers."""


class LivePacks:
    """What `PackReverser` asks."""

    def __init__(
        self,
        policy_dir: Path,
        servers: Mapping[str, ServerSettings],
        pins: Pins,
        redacted: Redacted,
    ) -> None:
        """Reads them. Raises `Misconfigured` at file:line."""
        self._policy_dir = policy_dir
        self._servers = servers
        self._pins = pins
        self._redacted = redacted
        self.current: Packs = self._read()

    def find(self, target: Target, server_version: str | None) -> ToolPack | Reversal:
        """The pack in force for this tool, or UNKNOWN with the reason."""
        return self.current.find(target, server_version)

    def reload(self) -> None:
        """Take up what the files say now. Raises `Misconfigured`; then the earlier ones stay in force."""
        self.current = self._read()

    async def watch(self, say: Callable[[str, object], None]) -> None:
        """Reload whenever a pack, its certificate or an approval changes, for ever."""
        directory = self._policy_dir / packs.DIRECTORY
        pinned = self._policy_dir / "pins"

        async def take() -> None:
            self.reload()

        await following.follow(
            lambda: [*named(directory, ""), *named(pinned, ".json")],
            take,
            lambda why: say("undo packs not taken, the earlier ones stay in force: %s", why),
        )

    def _read(self) -> Packs:
        pins = self._pins()
        return packs.load(self._policy_dir, self._servers, pins, self._redacted(pins))
