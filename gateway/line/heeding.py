"""The way back to an agent whose call may let something out: what its client answers to a tool's question goes out too.

So it goes only while the way out is open, by the labels of that moment: other calls of the task may have raised some
since this one was decided. It knows no store of labels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from gateway.core.model import Answer, JsonObject, RpcError
from gateway.core.settle import METHOD_NOT_FOUND
from gateway.errors import JournalError
from gateway.ports import Channel

log = logging.getLogger("bulkhead.line")


class Heeding:
    """`ports.Channel` around another."""

    def __init__(self, channel: Channel, shut: Callable[[], str]) -> None:
        """`shut`: why the way out is closed now; empty when it is open. It may raise `JournalError`."""
        self._channel = channel
        self._shut = shut
        self.pause: Callable[[], None] | None = getattr(channel, "pause", None)

    async def notify(self, method: str, params: JsonObject) -> None:
        """See `ports.Channel`."""
        await self._channel.notify(method, params)

    async def ask(self, method: str, params: JsonObject) -> Answer:
        """See `ports.Channel`. Nobody is asked in vain, and nothing goes that was asked for before."""
        if self._is_shut(method):
            return _unasked(method)
        answer = await self._channel.ask(method, params)
        return _unasked(method) if self._is_shut(method) else answer

    def _is_shut(self, method: str) -> bool:
        try:
            why = self._shut()
        except JournalError as error:
            why = f"its labels cannot be read: {error}"
        if why:
            log.warning("a tool server's %s is not answered: %s", method, why)
        return bool(why)


def _unasked(method: str) -> Answer:
    """The server, which may be anybody's, does not hear why."""
    return Answer(error=RpcError(METHOD_NOT_FOUND, f"{method}: the agent's client cannot be asked"))
