"""An answer whose result's members come piece by piece: its head at once, its end when its outcome is durable.

What breaks on the way breaks the connection off: an agent never gets a whole answer that is not true.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.model import RequestId
from gateway.wire import strict_json
from gateway.wire.agents.exchange import Gone
from gateway.wire.agents.lazystream import LazyStream


class LargeAnswer:
    """On the stream of the answer to one POST."""

    def __init__(self, stream: LazyStream, id: RequestId) -> None:
        self._stream = stream
        self._head = head(id)
        self._lost = False

    async def write(self, *pieces: bytes) -> None:
        """The next bytes, the first with its head; dropped if nobody reads any longer."""
        if self._lost:
            return
        if self._head:
            pieces, self._head = (self._head, *pieces), b""
        try:
            await self._stream.write_answer(*pieces)
        except Gone:
            self._lost = True

    def add(self, pieces: Sequence[bytes]) -> bool:
        """The same, after the first, where nothing has to be waited for. False: nothing of them is taken."""
        return not self._lost and self._stream.add_answer(pieces)

    async def end(self, rest: bytes | None) -> None:
        """What is left of the answer, or no end at all. Raises `Gone`."""
        await self._stream.end_answer(rest)


def head(id: RequestId) -> bytes:
    """A response up to the first member of its result."""
    return b'{"jsonrpc":"2.0","id":%b,"result":{' % strict_json.dumps(id)
