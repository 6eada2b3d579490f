"""One line on its way to the disk: what the writer needs of it, and whoever waits for it.

It knows no store. Everything but the plain fields belongs to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from copy import copy
from typing import Final, Protocol

from msgspec import Struct

from gateway.core.record import Line, Queued, Sealed
from gateway.errors import JournalError, Refused
from gateway.journals.payloads import Payload


class Ways(Protocol):
    """How a line comes to the disk."""

    def asked(self) -> None:
        """Somebody waits."""
        ...

    def hurry(self) -> None:
        """Somebody will."""
        ...


class _AtLeisure:
    """No writer has it."""

    def asked(self) -> None: ...

    def hurry(self) -> None: ...


_AT_LEISURE: Final = _AtLeisure()


class Entry(Struct, eq=False):
    """A queued line (`ports.Pending`)."""

    source: Line
    body: str
    payloads: Sequence[Payload] = ()
    ways: Ways = _AT_LEISURE
    """Those of the writer that gets it."""
    size: int = 0
    """Bytes it keeps waiting, where anybody counts them."""
    began: float = 0.0
    """Since when somebody waits for it; 0 while nobody does."""
    _result: int | str | Refused | None = None
    _waiters: list[asyncio.Future[Sealed]] | None = None

    @property
    def line(self) -> Queued:
        """See `ports.Pending`."""
        return Queued(self.source.call_id, self.source.kind)

    def hurry(self) -> None:
        """See `ports.Pending`."""
        self.ways.hurry()

    def sealed(self) -> Awaitable[Sealed]:
        """See `ports.Pending`."""
        # A future per waiter, so that one who is cancelled takes nobody along.
        waiter: asyncio.Future[Sealed] = asyncio.get_running_loop().create_future()
        if self._result is not None:
            self._tell(waiter, self._result)
            return waiter
        if self._waiters is None:
            self._waiters, self.began = [waiter], time.perf_counter()
        else:
            self._waiters.append(waiter)
        self.ways.asked()
        return waiter

    def settle(self, result: int | str | Refused) -> None:
        """The writer's answer: the line's sequence number, or what went wrong."""
        self._result = result
        if self._waiters is not None:
            for waiter in self._waiters:
                if not waiter.done():
                    self._tell(waiter, result)

    def _tell(self, waiter: asyncio.Future[Sealed], result: int | str | Refused) -> None:
        if isinstance(result, int):
            line = self.source
            waiter.set_result(Sealed(line.call_id, line.kind, result))
        elif isinstance(result, Refused):
            # One of its own: whoever raises it puts the way it went into it.
            waiter.set_exception(copy(result))
        else:
            waiter.set_exception(JournalError(result))
