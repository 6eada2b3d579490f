"""Warrants for hosts that ask with their call: as soon as a checkpoint covers it, and not for ever waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from gateway.errors import JournalError, Misconfigured
from gateway.evidence.proof import NotYet
from gateway.evidence.warrant import Registry

log = logging.getLogger("bulkhead.evidence")

PATIENCE: Final = 10.0
"""Seconds. The sequencer signs within a few tenths of a second unless it is behind."""
LOOK_SECONDS: Final = 0.1


class LiveWarrants:
    """`receipts.Warrants`. One at a time is made: proofs are no call's business but who asks."""

    def __init__(self, opened: Callable[[], Registry]) -> None:
        self._opened = opened
        self._registry: Registry | None = None
        self._turn = asyncio.Lock()

    async def of(self, call_id: str) -> dict[str, Any] | None:
        """See `receipts.Warrants`."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    async with self._turn:
                        found = await asyncio.to_thread(self._made, call_id)
                    if found is not None:
                        return found
                    await asyncio.sleep(LOOK_SECONDS)
        except (JournalError, Misconfigured) as error:
            log.error("no warrant of call %s: %s", call_id, error)
            self._registry = None  # the next looks at the files that are there then
        except TimeoutError:
            log.warning("no warrant of call %s: no checkpoint covers it yet", call_id)
        except Exception:
            # Its call was forwarded: whoever hears of a failure now would take it for undone.
            log.exception("no warrant of call %s", call_id)
        return None

    def _made(self, call_id: str) -> dict[str, Any] | None:
        if self._registry is None:
            self._registry = self._opened()
        call = self._registry.reader.call(call_id)
        try:
            return None if call is None else self._registry.warrant(call)
        except NotYet:
            return None
