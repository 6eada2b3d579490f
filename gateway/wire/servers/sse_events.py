"""The events of a stream that goes on for as long as its session: one that is too large costs itself, not the stream.

Pure. Of such an event its start and its end are kept, so that the message it was can still be named. It knows no
JSON-RPC. Source: HTML Living Standard, 9.2.6; of ids, retry times and lone CRs it makes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.values import Value
from gateway.wire.servers.stdio_lines import EDGE, Lines, Overlong

_FIELD: Final = len(b"data: ")


class Said(Value):
    """One event: its name, and its data."""

    name: str
    data: bytes | Overlong


class Events:
    """Feed it chunks, take events. Holds at most `longest` bytes of one."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._lines = Lines(longest + _FIELD)
        self._name = ""
        self._data: bytes | bytearray | Overlong | None = None

    def feed(self, chunk: bytes) -> Iterator[Said]:
        """The events that end in this chunk."""
        for line in self._lines.feed(chunk):
            if isinstance(line, Overlong):
                self._add(Overlong(_value(line.start), line.end))
                continue
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._add(_value(line))
            elif line.startswith(b"event:"):
                self._name = _value(line).decode("utf-8", "replace")
            elif not line:
                if (data := self._data) is not None:
                    whole = data if isinstance(data, Overlong) else bytes(data)
                    yield Said(self._name or "message", whole)
                self._name, self._data = "", None

    def _add(self, more: bytes | Overlong) -> None:
        before = self._data
        if before is None:
            self._data = more
            return
        start = before.start if isinstance(before, Overlong) else bytes(before[:EDGE])
        if isinstance(before, Overlong) or isinstance(more, Overlong):
            self._data = Overlong(start, more.end if isinstance(more, Overlong) else more)
        elif len(before) + len(more) < self._longest:
            # In place: a line of one byte must not cost a copy of all before it.
            self._data = before if isinstance(before, bytearray) else bytearray(before)
            self._data += b"\n" + more
        else:
            self._data = Overlong(start, more[-EDGE:])


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2].removeprefix(b" ")
