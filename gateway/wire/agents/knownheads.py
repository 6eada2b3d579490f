"""Heads of HTTP requests that were read and checked before, by their exact bytes.

Only a head of which there is no second reading is remembered, and only what follows from its bytes alone:
where its body ends, which endpoint it is for, that it passes the checks of a head. Pure, and bounded.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final, Protocol

from gateway.values import Value, replace
from gateway.wire.agents.admitted import Admitted
from gateway.wire.agents.exchange import Exchange, Head

MAX_HEAD: Final = 16 * 1024
MAX_BODY: Final = 64 * 1024
"""Bytes. What is larger is the engine's."""
MOST: Final = 4_096
"""Heads. The one used longest ago is forgotten first."""
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of memory, about."""
LINE_BYTES: Final = 320
"""Of memory that a line takes beside its text: lines of three bytes take a hundred times what they say."""
_FRAMING: Final = frozenset(
    {"transfer-encoding", "connection", "expect", "upgrade", "trailer", "te"}
)
"""A head that has one of these says more than where its body ends: it is read anew each time."""
_SPARED: Final = ("connection", "keep-alive")
TRACE: Final = "traceparent"
_VARYING: Final = re.compile(
    rb"\r\n(?:[Cc]ontent-[Ll]ength: (0|[1-9][0-9]{0,4})"
    rb"|[Tt]raceparent: (00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}))(?=\r\n)"
)
"""The lines of a head that say how long its body is and which trace it is part of, as clients write them."""


class Known(Value):
    """One head."""

    raw: bytes
    """Up to where its body begins."""
    admitted: Admitted
    size: int
    """Bytes of head and body."""

    @property
    def cost(self) -> int:
        """Bytes of memory, about: it is kept as it came, in parts by which others are found, and as it was read."""
        return 3 * len(self.raw) + LINE_BYTES * len(self.admitted.head.headers)


class Front(Protocol):
    """Who checks heads, and serves what stands behind them."""

    def admits(self, head: Head) -> Admitted | None:
        """A POST to an MCP endpoint whose head passes every check; None if it does not."""
        ...

    async def serve_admitted(self, admitted: Admitted, exchange: Exchange) -> None:
        """Answer one such request. Never raises for what the caller did."""
        ...


class KnownHeads:
    """Those of one listener."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._bytes = 0
        self._alike: dict[tuple[bytes, ...], Known] = {}
        """One of those that differ in nothing but length and trace, by what they have in common."""

    def find(self, raw: bytes) -> Known | None:
        """What is known of a head, blank line included."""
        known = self._known.get(raw)
        if known is None:
            return self._like_another(raw)
        self._known.move_to_end(raw)
        return known

    def _like_another(self, raw: bytes) -> Known | None:
        """Calls of one tool differ in their arguments, and so in one number of their heads; each has a trace of its
        own. What was concluded from the other head was concluded from neither."""
        common, length, trace = _apart(raw)
        like = self._alike.get(common) if length else None
        if like is None or int(length) > MAX_BODY:
            return None
        before, own = like.admitted.head, {"content-length": length, TRACE: trace}
        headers = tuple([(name, own.get(name) or value) for name, value in before.headers])
        admitted = replace(like.admitted, head=replace(before, headers=headers))
        known = Known(raw, admitted, len(raw) + int(length))
        if trace:
            self._known.move_to_end(like.raw)  # this one never comes again
        else:
            self._keep(known)
        return known

    def learn(self, raw: bytes, head: Head) -> None:
        """The engine has read `raw` as `head`, and would keep the connection after it."""
        length = head.get("content-length") or ""
        if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
            return
        if len(raw) > MAX_HEAD or not _has_one_reading(raw, head):
            return
        admitted = self.front.admits(head)
        if admitted is not None:
            self._keep(Known(raw, admitted, len(raw) + int(length)))

    def _keep(self, known: Known) -> None:
        raw = known.raw
        self._bytes += known.cost if raw not in self._known else 0
        self._known[raw] = known
        common, length, _ = _apart(raw)
        if length and len(known.admitted.head.every(TRACE)) < 2:
            self._alike[common] = known
        while len(self._known) > MOST or self._bytes > MOST_BYTES:
            _, forgotten = self._known.popitem(last=False)
            self._alike.pop(_apart(forgotten.raw)[0], None)
            self._bytes -= forgotten.cost


def _apart(raw: bytes) -> tuple[tuple[bytes, ...], str, str]:
    """What heads that differ only in length and trace have in common, and both; empty where one is not said."""
    said, common, at = ["", ""], [], 0
    for found in _VARYING.finditer(raw):
        which = found.lastindex or 0
        start, end = found.span(which)
        said[which - 1] = raw[start:end].decode()
        common.append(raw[at:start])
        at = end
    length, trace = said
    return (*common, raw[at:]), length, trace


def _has_one_reading(raw: bytes, head: Head) -> bool:
    """Lines end in CRLF and nothing else, none goes on in the next, the blank one is the last, and only
    Content-Length says where the body ends."""
    lines = raw.count(b"\r\n")
    plain = raw.count(b"\r") == lines == raw.count(b"\n") and raw.find(b"\r\n\r\n") == len(raw) - 4
    folded = b"\r\n " in raw or b"\r\n\t" in raw
    framing = (each for each in head.headers if each[0] in _FRAMING)
    return plain and not folded and all((n, v.lower()) == _SPARED for n, v in framing)
