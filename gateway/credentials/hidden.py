"""Takes the secrets of a server's credentials out of all that comes back from it, however it wrote them.

As they are, as JSON or a URL has to write them, in hex, and in base64 at any place of a longer text. All
secrets of the server are looked for, not only those of the call: it may mix up whom it answers. What
hides a secret better than that cannot be found, and a secret in two halves is not found either.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import quote

import re2

from gateway.core.model import Outcome, RpcError
from gateway.values import replace

MARK: Final = "[credential]"
SHORTEST: Final = 8
"""Bytes of a form that is looked for."""
TOGETHER: Final = 32
"""Leases whose forms make one pattern."""
LINGER: Final = 600
"""Seconds a secret is looked for after its lease has ended: answers may still be under way."""

T = TypeVar("T")


def forms(secret: str) -> frozenset[bytes]:
    """All that a secret is looked for as."""
    raw = secret.encode("utf-8", "surrogatepass")
    written = {raw, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    written |= {raw.hex().encode(), raw.hex().upper().encode(), *_base64(raw)}
    return frozenset(form for form in written if len(form) >= SHORTEST)


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
        self._ends: dict[str, float] = {}
        self._patterns: list[Any] | None = None

    def add(self, lease: str, secrets: Iterable[str]) -> None:
        """Look for these from now on."""
        found = frozenset[bytes]().union(*map(forms, secrets))
        if found:
            self._forms[lease] = found
            self._patterns = None

    def ended(self, lease: str, now: float) -> None:
        """The lease is over; so are those looked for long enough. `now`: seconds on any clock."""
        if lease in self._forms:
            self._ends[lease] = now + LINGER
        over = [each for each, until in self._ends.items() if until <= now]
        for each in over:
            del self._ends[each], self._forms[each]
        if over:
            self._patterns = None

    def text(self, text: str) -> str:
        """The text without them."""
        raw = text.encode("utf-8", "surrogatepass")
        if not self._is_in(raw):
            return text
        for pattern in self._compiled():
            raw = pattern.sub(MARK.encode(), raw)
        return bytes(raw).decode("utf-8", "surrogatepass")

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
        return any(pattern.search(raw) is not None for pattern in self._compiled())

    def _compiled(self) -> list[Any]:
        if self._patterns is None:
            every = sorted(frozenset[bytes]().union(*self._forms.values()))
            size = TOGETHER * 8
            some = (every[start : start + size] for start in range(0, len(every), size))
            # Longest first, so that of one secret that begins another nothing is left over.
            self._patterns = [
                re2.compile(b"|".join(map(_literal, sorted(each, key=len, reverse=True))))
                for each in some
            ]
        return self._patterns


def _literal(form: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in form)


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
