"""Server-sent events: an incremental parser over bytes, and an encoder for our own streams.

The parser follows the HTML Living Standard, 9.2.6 (CR, LF or CRLF, comments, several data lines, ids,
retry), takes time linear in what it is fed, and never holds more than `max_event` bytes of one event.
It knows nothing of HTTP or JSON-RPC.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.values import Value

_BOM = b"\xef\xbb\xbf"
_LINE_ENDS = (b"\n", b"\r")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_MAX_FIELD = 64 * 1024


class EventTooLarge(Exception):
    """One event is larger than the stream's limit. The stream cannot be read any further."""


class Event(Value):
    """One dispatched event. `data` is the raw bytes, lines joined by LF; UTF-8 is the reader's to check."""

    data: bytes
    event: str = "message"
    id: str | None = None
    """The last event id the stream has named so far, this event's or an earlier one."""


class Parser:
    """Bytes in, events out. `last_id` and `retry` (milliseconds) hold what the stream said last."""

    __slots__ = (
        "_after_cr",
        "_data",
        "_event",
        "_limit",
        "_line",
        "_size",
        "_start",
        "last_id",
        "retry",
    )

    def __init__(self, max_event: int) -> None:
        self.last_id: str | None = None
        self.retry: int | None = None
        self._limit = max_event
        self._line = bytearray()
        self._data: bytearray | bytes | None = None
        self._event = ""
        self._size = 0
        self._after_cr = False
        self._start = True

    @property
    def held(self) -> int:
        """Bytes of the event that has begun."""
        return self._size

    def flow(self) -> tuple[bytes, Flow]:
        """The data so far of the event that has begun, and what reads on. This parser stays as it is."""
        return Flow.after(self._data, bytes(self._line), self._after_cr)

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end in `chunk`. Raises `EventTooLarge`."""
        if self._start:
            chunk = self._without_bom(chunk)
        if not chunk:
            return []
        if self._after_cr:
            self._after_cr = False
            if chunk[0] == 0x0A:
                chunk = chunk[1:]
        events: list[Event] = []
        for piece in _lines(chunk):
            self._size += len(piece)
            if self._size > self._limit:
                raise EventTooLarge(f"an event is larger than {self._limit} bytes")
            if not piece.endswith(_LINE_ENDS):
                self._line += piece
            elif (event := self._end_line(piece.rstrip(b"\r\n"))) is not None:
                events.append(event)
        self._after_cr = chunk.endswith(b"\r")
        return events

    def _without_bom(self, chunk: bytes) -> bytes:
        # Up to two bytes wait in `_line` until it is known whether the stream begins with a BOM.
        chunk = bytes(self._line) + chunk
        self._line.clear()
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._line += chunk
            return b""
        self._start = False
        return chunk.removeprefix(_BOM)

    def _end_line(self, line: bytes | bytearray) -> Event | None:
        if self._line:
            self._line += line
            line, self._line = self._line, bytearray()
        if not line:
            return self._dispatch()
        if line[0] == 0x3A:
            self._size -= len(line)  # a comment is held nowhere, so it takes no room
            return None
        colon = line.find(b":")
        if colon < 0:
            self._field(bytes(line), b"")
            return None
        start = colon + 2 if line[colon + 1 : colon + 2] == b" " else colon + 1
        self._field(bytes(line[:colon]), bytes(memoryview(line)[start:]))
        return None

    def _field(self, name: bytes, value: bytes) -> None:
        if name == b"data":
            if self._data is None:
                self._data = value
            else:
                if isinstance(self._data, bytes):
                    self._data = bytearray(self._data)
                self._data += b"\n" + value
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in value:
                self.last_id = value.decode("utf-8", "replace")
        elif name == b"retry":
            # isdigit of bytes is ASCII only; ten digits are more than a hundred days.
            if value.isdigit() and len(value) <= 10:
                self.retry = int(value)

    def _dispatch(self) -> Event | None:
        data, event = self._data, self._event
        self._data, self._event, self._size = None, "", 0
        if data is None:
            return None
        return Event(bytes(data), event or "message", self.last_id)


def _lines(chunk: bytes) -> list[bytes]:
    """Its lines, with their ends. That there is only one is found out twenty times faster."""
    return chunk.splitlines(keepends=True) if b"\n" in chunk or b"\r" in chunk else [chunk]


class Flow:
    """The data of one event as it comes, whatever its size. What follows the event is not looked at."""

    __slots__ = ("_after_cr", "_in_data", "_line", "_more", "ended")

    def __init__(self, after_cr: bool) -> None:
        self.ended = False
        self._after_cr = after_cr
        self._in_data = False
        self._more = False
        self._line = b""

    @classmethod
    def after(
        cls, data: bytes | bytearray | None, line: bytes, after_cr: bool
    ) -> tuple[bytes, Flow]:
        """Where a parser stands: whole lines of data, and a line that has begun."""
        flow = cls(after_cr)
        flow._more = data is not None
        return bytes(data or b"") + flow._take(line, ended=False), flow

    def feed(self, chunk: bytes) -> bytes:
        """The event's next bytes of data. Raises `EventTooLarge` for a line that is no data."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        out = []
        for piece in _lines(chunk):
            ended = piece.endswith(_LINE_ENDS)
            out.append(self._take(piece.rstrip(b"\r\n"), ended))
            if self.ended:
                break
        self._after_cr = chunk.endswith(b"\r")
        return b"".join(out)

    def _take(self, piece: bytes, ended: bool) -> bytes:
        out = piece
        if not self._in_data:
            self._line += piece
            out = self._begun(ended)
        if ended:
            self._in_data, self._line = False, b""
        return out

    def _begun(self, ended: bool) -> bytes:
        line = self._line
        if not line:
            self.ended = ended
            return b""
        if ended and line == b"data":
            line = b"data:"
        if not line.startswith(b"data:"):
            if len(line) > _MAX_FIELD:
                raise EventTooLarge(f"a line of more than {_MAX_FIELD} bytes is no data")
            return b""
        if len(line) == 5 and not ended:
            return b""
        out = line[5:].removeprefix(b" ")
        if self._more:
            out = b"\n" + out
        self._in_data = self._more = True
        return out


def encode(data: bytes, *, id: str | None = None, retry: int | None = None) -> bytes:
    """One `message` event as bytes. Raises `ValueError` when `id` would break out of its line."""
    head = "event: message\n"
    if id is not None:
        if "\n" in id or "\r" in id or "\0" in id:
            raise ValueError("a line break or NUL in an event id")
        head += f"id: {id}\n"
    if retry is not None:
        head += f"retry: {retry}\n"
    body = b"\n".join(b"data: " + line for line in _LINE_END.split(data))
    return head.encode() + body + b"\n\n"


COMMENT: Final = b": \n\n"
"""A line that keeps a stream open and means nothing."""
