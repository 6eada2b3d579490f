"""Wires what a task may do: grants and fences, as the Line asks them, and their watch. No rule lives here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.app.clock import microseconds
from gateway.credentials.alive import Alive
from gateway.fences.live import LiveFences
from gateway.fences.log import FenceLog
from gateway.grants.book import GrantBook
from gateway.journals.sqlite import SqliteJournal
from gateway.line.bounds import Bounds
from gateway.policy.live import LivePolicies
from gateway.settings import Settings


class LiveBounds(Bounds):
    """The bounds of one gateway process."""

    def __init__(self, settings: Settings, journal: SqliteJournal, policies: LivePolicies) -> None:
        """Raises `Misconfigured`, `JournalError`."""
        self._log = FenceLog(settings.state_dir)
        self.fences = LiveFences(self._log)
        self.store = journal.grants()
        self.book = GrantBook(self.store, lambda: policies.current.intents.standing, microseconds)
        self.book.refresh()
        self.alive = Alive(self.fences, self.store, microseconds)
        super().__init__(self.book, self.fences)

    def on_change(self, *told: Callable[[], None]) -> None:
        """Whom to tell of every fence and grant that is new or over."""

        def tell() -> None:
            for one in told:
                one()

        self.fences.on_change = self.book.on_change = tell

    async def watch(self) -> None:
        """Cuts off what is fenced while it is under way, and sees changes when nobody calls, until cancelled."""
        await asyncio.gather(self.fences.watch(), self.book.watch())

    def close(self) -> None:
        """Done with both files."""
        self._log.close()
        self.store.close()
