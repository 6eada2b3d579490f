"""Heads of a tool server's replies that were read before, by their exact bytes.

Servers say the same few heads again and again. One that the parser has read, with a reply that ended
just where its Content-Length says, and of which there is no second reading, needs no parser the next
time: its body is counted. It knows HTTP's framing, and no socket and no MCP. Bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.values import Value

MAX_HEAD: Final = 4 * 1024
MOST: Final = 256
"""Heads of one server; the one learned first is forgotten first."""
KEEP_IDLE: Final = 4.0
"""Seconds an idle connection is kept. Below the 5 s after which uvicorn and Node close theirs."""
JSON: Final = "application/json"
END: Final = b"\r\n\r\n"
Header = tuple[bytes, bytes]
_FRAMING: Final = frozenset(
    {b"transfer-encoding", b"connection", b"upgrade", b"trailer", b"content-encoding"}
)
"""A head that has one of these says more than where its body ends: it is read anew each time."""
_SPARED: Final = (b"connection", b"keep-alive")


class Head(Value):
    """One head as the parser has read it."""

    status: int
    headers: Sequence[Header]
    media: str
    """The media type without parameters, in lower case."""
    plain: bool
    """It is of success, and in front of one JSON text."""
    keeps: float
    """Seconds the connection may be idle behind it: `KEEP_IDLE`, or a second less than the server says it keeps it."""


class Known(Value):
    """A head that was read before, and what follows from it alone."""

    raw: bytes
    """Up to where the body begins."""
    head: Head
    start: int
    """That place."""
    length: int
    """Of the body."""
    size: int
    """Of both."""


class KnownHeads:
    """Those of one server."""

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}
        self._last: Known | None = None
        """Most servers say one again and again."""

    def find(self, data: bytes) -> Known | None:
        """What is known of the head that `data` begins with."""
        last = self._last
        if last is not None and data.startswith(last.raw):
            return last
        self._last = known = self._known.get(data[: data.find(END) + 4])
        return known

    def learn(self, data: bytes, size: int, head: Head) -> None:
        """The parser has read `size` bytes, of which `data` are the first, as one whole reply, after which
        the connection is kept."""
        start = data.find(END) + 4
        length = length_of(head.headers)
        if length < 0 or start < 4 or start + length != size or start > MAX_HEAD:
            return
        framed = head.status >= 200 and head.status not in (204, 304)
        if framed and _has_one_reading(data[:start], head.headers):
            if len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
            raw = data[:start]
            self._known[raw] = Known(raw, head, start, length, size)


def head_of(status: int, headers: Sequence[Header]) -> Head:
    """What a status and headers say."""
    media = value_of(headers, b"content-type").partition(";")[0].strip().lower()
    return Head(status, headers, media, 200 <= status < 300 and media == JSON, _keeps(headers))


def value_of(headers: Sequence[Header], name: bytes) -> str:
    """A header's value by its lower-case name; empty if absent. Of several, the first."""
    for key, value in headers:
        if key.lower() == name:
            return value.decode("latin-1").strip()
    return ""


def _keeps(headers: Sequence[Header]) -> float:
    """`Keep-Alive: timeout=N`."""
    _, found, rest = value_of(headers, b"keep-alive").partition("timeout=")
    seconds = rest.partition(",")[0].strip()
    if not found or not seconds.isdigit() or len(seconds) >= 6:
        return KEEP_IDLE
    return min(KEEP_IDLE, float(seconds) - 1)


def length_of(headers: Sequence[Header]) -> int:
    """The one Content-Length; -1 for none, or for one that is not plain digits."""
    said = [value for name, value in headers if name.lower() == b"content-length"]
    return int(said[0]) if len(said) == 1 and said[0].isdigit() and len(said[0]) < 16 else -1


def _has_one_reading(head: bytes, headers: Sequence[Header]) -> bool:
    """Lines end in CRLF and nothing else, none goes on in the next, and only Content-Length says where the
    body ends."""
    plain = head.count(b"\r") == head.count(b"\r\n") == head.count(b"\n")
    folded = b"\r\n " in head or b"\r\n\t" in head
    framing = [(name.lower(), value.lower()) for name, value in headers]
    return plain and not folded and all(f == _SPARED for f in framing if f[0] in _FRAMING)
