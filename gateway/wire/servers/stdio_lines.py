"""Bytes from a pipe -> lines of bounded length. Pure: it knows neither the pipe nor JSON.

A line over the bound is not kept: its start and its end are, so that the message it was can still be
named, and reading goes on after its newline.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from gateway.values import Value

EDGE: Final = 256
"""Bytes kept of each end of an overlong line."""

_ID_FIRST: Final = re.compile(
    rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*"?(\d{1,18})"?\s*,'
)
_ID_LAST: Final = re.compile(
    rb'"id"\s*:\s*"?(\d{1,18})"?\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z'
)
_METHOD_FIRST: Final = re.compile(
    rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?(?:"id"\s*:\s*(?:"[^"]*"|\d+)\s*,\s*)?"method"\s*:'
)


class Overlong(Value):
    """A line that was longer than allowed, without its middle."""

    start: bytes
    end: bytes

    @property
    def answer_to(self) -> int | None:
        """The request id it answers, when that stands where every known SDK writes it."""
        found = _ID_FIRST.match(self.start) or _ID_LAST.search(self.end)
        return int(found[1]) if found else None

    @property
    def is_message(self) -> bool:
        """Whether it is certainly no answer: a notification or a question."""
        return _METHOD_FIRST.match(self.start) is not None


Heard = Callable[[bytes | Overlong], None]
"""What gets a line, in order."""


class Lines:
    """Feed it chunks, take lines. Holds at most `max_bytes` of an unfinished line."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._kept = bytearray()
        self._start: bytes | None = None
        """Set while an overlong line is being passed over; `_kept` is then its latest end."""

    def feed(self, chunk: bytes) -> Sequence[bytes | Overlong]:
        """The lines that end in this chunk, without their newline."""
        parts = chunk.split(b"\n")
        if not self._kept and len(chunk) <= self._max:
            self._kept += parts.pop()
            return parts
        lines: list[bytes | Overlong] = []
        self._keep(parts[0])
        for part in parts[1:]:
            lines.append(self._take())
            self._keep(part)
        return lines

    def _keep(self, part: bytes) -> None:
        self._kept += part
        if self._start is None and len(self._kept) > self._max:
            self._start = bytes(self._kept[:EDGE])
        if self._start is not None:
            del self._kept[:-EDGE]

    def _take(self) -> bytes | Overlong:
        end, start = bytes(self._kept), self._start
        self._kept, self._start = bytearray(), None
        return end if start is None else Overlong(start, end)
