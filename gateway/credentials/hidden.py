"""Takes the secrets of a server's credentials out of all that comes back from it, however it wrote them.

They are looked for as they are; as JSON or a URL may write each of their characters (which ones are spelt, and how,
is everybody's own choice); in hex; in base64 at any place of a longer text; and all that broken into lines. All secrets
of the server are looked for, not only those of the call: it may mix up whom it answers. What hides a secret better than
that is not found, and a secret in two halves is not found either.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

from gateway.core.model import Outcome, RpcError
from gateway.credentials.endings import Endings, pattern
from gateway.values import replace

MARK: Final = "[credential]"
SHORTEST: Final = 8
"""Bytes of a form that is looked for."""
PIECE: Final = 1024
"""Bytes of a secret that are taken out at once where it is spelt: for more RE2 takes a slow way, and logs it."""
LINGER: Final = 600
"""Seconds a secret is looked for after its lease has ended: answers may still be under way."""

T = TypeVar("T")
_JSON: Final = re.compile(rb"\\u00(?=[0-9a-fA-F]{2})")
_URL: Final = re.compile(rb"%(?=[0-9a-fA-F]{2})")
_AT_ONCE: Final = 64 * 1024
"""Bytes whose spellings are looked for at once."""
LONGEST: Final = 6
"""Bytes of one."""


def forms(secret: str) -> frozenset[bytes]:
    """All that a secret is looked for as, in a text as it is and in the same one decoded."""
    raw = secret.encode("utf-8", "surrogatepass")
    written = {raw, json.dumps(secret)[1:-1].encode()}
    written |= {raw.hex().encode(), raw.hex().upper().encode(), *_base64(raw)}
    return frozenset(form for form in written if len(form) >= SHORTEST)


def _decoded(raw: bytes) -> bytes:
    """A text without JSON's spellings and a URL's. It takes no step of ours for each: a server may spell millions.

    The bytes FE and FF are in no UTF-8: here they are marks."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"\xff").replace(b'\\"', b'"').replace(b"\\/", b"/")
        raw = _without_hex(raw, b"\\", _JSON)
    return _without_hex(raw, b"%", _URL) if b"%" in raw else raw


def _unfolded(raw: bytes) -> bytes:
    """A text without its ends of lines, also as JSON spells them: programs break base64 and hex into lines."""
    return raw.replace(b"\\r", b"").replace(b"\\n", b"").translate(None, b"\r\n")


def _without_hex(raw: bytes, begins: bytes, spelling: re.Pattern[bytes]) -> bytes:
    """Each spelling with its two digits as the byte it means, and each FF as a backslash."""
    marked = b"".join([spelling.sub(b"\xfe", part) for part in _parts(raw, begins)])
    marked = marked.replace(b"\\", b"\\\\").replace(b"\xff", b"\\\\").replace(b"\xfe", b"\\x")
    plain = marked.decode("unicode_escape").encode("latin-1")
    return plain.replace(b"\xfe", b"?").replace(b"\xff", b"?")


def _parts(raw: bytes, begins: bytes) -> Iterator[bytes]:
    """It in parts of about `_AT_ONCE` bytes, none of them cut within a spelling."""
    start = 0
    while start < len(raw):
        end = start + _AT_ONCE
        if end < len(raw):
            cut = raw.rfind(begins, end - LONGEST, end)
            end = cut if cut > start else end
        yield raw[start:end]
        start = end


def _spelt(byte: int) -> bytes:
    """One byte as it is, percent-encoded, or as JSON may write it."""
    ways = (b"\\x%02x", b"%%(?i:%02x)", b"\\\\u00(?i:%02x)", b"\\\\\\x%02x")
    return b"(?:%s)" % b"|".join(way % byte for way in ways)


def _pieces(secret: bytes) -> list[bytes]:
    """It in pieces of at most `PIECE` bytes, all about as long: a short last one might stand anywhere."""
    size = math.ceil(len(secret) / math.ceil(len(secret) / PIECE))
    return [secret[start : start + size] for start in range(0, len(secret), size)]


def _base64(raw: bytes) -> Iterator[bytes]:
    """What of its base64 is the same wherever it stands in a longer text: three ways to lie in it."""
    for before, unsure in ((0, 0), (1, 2), (2, 3)):
        whole = b64encode(b"\0" * before + raw)
        sure = whole[unsure:] if not whole.endswith(b"=") else whole.rstrip(b"=")[unsure:-1]
        yield sure
        yield sure.translate(bytes.maketrans(b"+/", b"-_"))


class Hidden:
    """The secrets of one server."""

    def __init__(self) -> None:
        self._forms: dict[str, frozenset[bytes]] = {}
        self._secrets: dict[str, tuple[bytes, ...]] = {}
        self._ends: dict[str, float] = {}
        self._endings = Endings()
        self._sorted: tuple[bytes, ...] | None = None

    def add(self, lease: str, secrets: Iterable[str]) -> None:
        """Look for these from now on. Of one that has lines each is looked for: a log is written a line at a time."""
        secrets = tuple({part: None for one in secrets for part in (one, *one.splitlines())})
        given = [secret.encode("utf-8", "surrogatepass") for secret in secrets]
        found = frozenset[bytes]().union(*map(forms, secrets))
        if found:
            self._forms[lease] = found
            self._secrets[lease] = tuple(raw for raw in given if len(raw) >= SHORTEST)
            self._endings.put(lease, found)
            self._sorted = None

    def ended(self, lease: str, now: float) -> None:
        """The lease is over; so are those looked for long enough. `now`: seconds on any clock."""
        if lease in self._forms:
            self._ends[lease] = now + LINGER
        over = [each for each, until in self._ends.items() if until <= now]
        for each in over:
            del self._ends[each], self._forms[each], self._secrets[each]
            self._endings.drop(each)
            self._sorted = None

    def text(self, text: str) -> str:
        """The text without them."""
        raw = text.encode("utf-8", "surrogatepass")
        if not self._is_in(raw):
            return text
        for form in self._every():
            raw = raw.replace(form, MARK.encode())
        for secret in self._spelt_in(raw):
            pieces = _pieces(secret)
            for piece in pieces:
                raw = bytes(pattern(b"".join(map(_spelt, piece))).sub(MARK.encode(), raw))
            raw = raw.replace(MARK.encode() * len(pieces), MARK.encode())
        return MARK if self._is_in(raw) else raw.decode("utf-8", "surrogatepass")

    def _spelt_in(self, raw: bytes) -> list[bytes]:
        """Secrets that are there once it is decoded; the longest first."""
        plain = _decoded(raw)
        every = {secret for each in self._secrets.values() for secret in each}
        return sorted((each for each in every if each in plain), key=len, reverse=True)

    def is_in(self, value: Any) -> bool:
        """Is any of them in a JSON value? One look at all its texts."""
        texts = list(_texts(value))
        return self._is_in("\n".join(texts).encode("utf-8", "surrogatepass"))

    def value(self, value: T) -> T:
        """A JSON value without them; itself when there are none in it."""
        return self._without(value) if self.is_in(value) else value

    def outcome(self, outcome: Outcome) -> Outcome:
        """All of an outcome that anybody gets to see."""
        error = outcome.error and self.error(outcome.error)
        result, detail = self.value(outcome.result), self.text(outcome.detail)
        if error is outcome.error and result is outcome.result and detail == outcome.detail:
            return outcome
        return replace(outcome, result=result, error=error, detail=detail)

    def error(self, error: RpcError) -> RpcError:
        """A JSON-RPC error without them."""
        message, data, more = (
            self.text(error.message),
            self.value(error.data),
            self.value(error.more),
        )
        if message == error.message and data is error.data and more is error.more:
            return error
        return replace(error, message=message, data=data, more=more)

    def _without(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._without(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self._without(item) for item in value]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return MARK if is_number and self._is_in(str(value).encode()) else value

    def _is_in(self, raw: bytes) -> bool:
        folded = b"\n" in raw or b"\\n" in raw
        views = [raw, _unfolded(raw)] if folded else [raw]
        if b"%" in raw or b"\\" in raw:
            views += [_decoded(view) for view in views]
        ended = filter(self._endings.may_be_in, views)
        return any(form in view for view in ended for form in self._every())

    def _every(self) -> tuple[bytes, ...]:
        """All forms, the longest first, so that of one secret that begins another nothing is left over."""
        if self._sorted is None:
            every = frozenset[bytes]().union(*self._forms.values())
            self._sorted = tuple(sorted(every, key=len, reverse=True))
        return self._sorted


def _texts(value: Any) -> Iterator[str]:
    """Every text, name and longer number in it, in no order."""
    branches = [value]
    while branches:
        branch = branches.pop()
        if isinstance(branch, str):
            yield branch
        elif isinstance(branch, dict):
            yield from branch
            branches += branch.values()
        elif isinstance(branch, list):
            branches += branch
        elif isinstance(branch, int | float) and abs(branch) >= 10**7:
            yield str(branch)
