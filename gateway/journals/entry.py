"""One line on its way to the disk: what the writer needs of it, and whoever waits for it.

It knows no store. Everything but the plain fields belongs to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.core.record import Line, Queued, Sealed, State
from gateway.errors import JournalError, Refused
from gateway.journals.payloads import Payload


def _at_leisure() -> None:
    """No writer has it."""


class Entry:
    """A queued line (`ports.Pending`). `expects`: the state its call must be in, None when unknown or first."""

    __slots__ = (
        "_error",
        "_seq",
        "_waiters",
        "asked",
        "began",
        "body",
        "expects",
        "hurry",
        "payloads",
        "size",
        "source",
    )

    def __init__(
        self,
        source: Line,
        body: bytes,
        expects: State | None,
        payloads: tuple[Payload, ...] = (),
    ) -> None:
        self.source = source
        self.body = body
        self.payloads = payloads
        self.began = 0.0
        """Since when somebody waits for it; 0 while nobody does."""
        self.asked: Callable[[], None] = _at_leisure
        """Told when somebody waits."""
        self.hurry: Callable[[], None] = _at_leisure
        """See `ports.Pending`: the writer's, once it has it."""
        self.expects = expects
        self.size = len(body)
        """Bytes it keeps waiting."""
        for payload in payloads:
            self.size += len(payload.plain)
        self._seq: int | None = None
        self._error: str | Refused | None = None
        self._waiters: tuple[asyncio.Future[None], ...] = ()

    @property
    def line(self) -> Queued:
        """See `ports.Pending`."""
        return Queued(self.source.call_id, self.source.kind)

    async def sealed(self) -> Sealed:
        """Returns when the line is durable. Raises `JournalError` if it could not be made so, `Refused`
        if a claim of it did not hold."""
        if self._seq is None and self._error is None:
            # A future per waiter, so that one who is cancelled takes nobody along.
            waiter = asyncio.get_running_loop().create_future()
            self._waiters = (*self._waiters, waiter)
            self.began = self.began or time.perf_counter()
            self.asked()
            await waiter
        if isinstance(self._error, Refused):
            no = self._error
            raise Refused(no.reason, no.detail, no.where, no.rule)
        if self._seq is None:
            raise JournalError(self._error)
        return Sealed(self.source.call_id, self.source.kind, self._seq)

    def settle(self, result: int | str | Refused) -> None:
        """The writer's answer: the line's sequence number, or what went wrong."""
        if isinstance(result, int):
            self._seq = result
        else:
            self._error = result
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters = ()
