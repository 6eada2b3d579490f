"""Strict JSON (RFC 8259, UTF-8) read as it comes: what is too large to be held whole is checked to the last byte.

It keeps the open brackets and an unfinished token, never a value. Of the outermost object, and of one
member of it whose object is entered, it reports each member's name and the bytes of its value. It knows
JSON and no protocol.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from gateway.wire.json_runs import (
    NEAR,
    SCALAR,
    STRING,
    WINDOW,
    after_space,
    after_word,
    are_items,
    goes_on,
    guessed_ends,
    is_plain,
    is_text,
    items,
    members,
    text_end,
)

MAX_DEPTH: Final = 512
MAX_TOKEN: Final = 16 * 1024
"""Bytes of a member's name or a number: all that is ever held back."""
STEPPED: Final = 16 * 1024
"""Bytes of members and items taken at once by steps."""
STEPS: Final = 1_000
"""Steps at one go. What is nested deep, or odd in every item, takes one for every few bytes: others wait meanwhile."""
RUN_STEPS: Final = 50
"""As many steps is a look at a run of items counted for."""
DOUBTS: Final = 32
"""Times a run of items is not looked for after one was refused."""

_utf8_decoder: Final = codecs.getincrementaldecoder("utf-8")
_string: Final = re.compile(STRING)
_scalar: Final = re.compile(SCALAR)
_name: Final = msgspec.json.Decoder(str)
_QUOTE, _COMMA, _COLON = b'",:'
_CLOSES: Final = {ord("]"): ord("["), ord("}"): ord("{")}
_OBJECT: Final = ord("{")


class Malformed(ValueError):
    """It is not JSON, or more deeply nested than anything is. Says what, never the content."""


class Listener(Protocol):
    """Hears of the members of the outermost object (level 1) and of the entered one (level 2)."""

    def name(self, level: int, name: str, raw: bytes) -> None:
        """A member begins. `raw`: its name as it came, in quotes."""

    def piece(self, piece: bytes) -> None:
        """Bytes of its value, in order; none for the object that is entered."""

    def end(self, level: int) -> None:
        """Its value is over."""


class Walk:
    """Feed it until it is `complete`. Raises `Malformed`, and what the listener raises."""

    def __init__(self, listener: Listener, enter: str) -> None:
        self._listener = listener
        self._enter = enter
        self._utf8: codecs.IncrementalDecoder | None = None
        self._ascii = True
        """What came last is."""
        self._cut = False
        """A character has begun and is not whole."""
        self._stack = bytearray()
        self._level = 1
        self._member = ""
        self._inside = False
        """Within a value that is reported; `_from` is where its bytes of this feed begin."""
        self._from = 0
        self._rest = b""
        self.behind = False
        """What was fed is not all read: `feed(b"")` reads on."""
        self._steps = 0
        """Left of this go."""
        self._far = False
        """The text being read did not end near its beginning."""
        self._flows = False
        """All that was fed is read, and the last of it is of such a text."""
        self.within_text = False
        """All that was fed last is of one text, without its quotes: no space between tokens is in it."""
        self._doubts = 0
        self._refused = 0
        """Runs of items, one after the other: each is followed by more that are not looked for."""
        self._doubted = 0
        """How deep a run of items was last refused; it is not looked for there, or deeper, for a while."""
        self._expect: Callable[[bytes, int], int | None] = self._root

    @property
    def complete(self) -> bool:
        return self._expect == self._nothing and not self.behind

    def feed(self, data: bytes) -> None:
        """The next bytes, cut anywhere. Where they take many steps they are not all read: see `behind`."""
        if data:
            self._check(data)
        data, at, self._from = self._rest + data, 0, 0
        self._steps = STEPS
        self.within_text = self._expect == self._text
        while at < len(data):
            after = self._expect(data, at)
            if after is None:
                break
            at, self._steps = after, self._steps - 1
            if self._steps < 0:
                break
        self._rest = data[at:]
        self.behind = bool(self._rest) and self._steps < 0
        if len(self._rest) > MAX_TOKEN and not self.behind:
            raise Malformed(f"a name or a number of more than {MAX_TOKEN} bytes, or none at all")
        self._flows = self._far and self._ascii and not self._rest and self._expect == self._text
        if self._inside and at > self._from:
            self._listener.piece(data[self._from : at])

    def goes_on(self, data: bytes) -> bool:
        """All of the next bytes are of the text that has begun: they are read then, and nobody is told. Else
        `feed` them."""
        return self._flows and len(data) > NEAR and is_plain(data)

    def _check(self, data: bytes) -> None:
        """UTF-8 it is, all of it."""
        self._ascii = data.isascii()
        if self._ascii and not self._cut:
            return
        if self._utf8 is None:
            self._utf8 = _utf8_decoder()
        try:
            self._utf8.decode(data)
        except UnicodeDecodeError:
            raise Malformed("not UTF-8") from None
        self._cut = bool(self._utf8.getstate()[0])

    # What may come next. Each takes what it can and says where it stopped; None: it needs more bytes.

    def _root(self, data: bytes, at: int) -> int | None:
        at = after_space(data, at)
        if at == len(data):
            return at
        if data[at] != _OBJECT:
            raise Malformed("not an object")
        return self._open(data, at)

    def _first(self, data: bytes, at: int) -> int | None:
        at = after_space(data, at)
        if at == len(data):
            return at
        return self._close(data, at) if data[at] in _CLOSES else self._many(data, at)

    def _name(self, data: bytes, at: int) -> int | None:
        at = after_space(data, at)
        found = _string.match(data, at)
        if found is None:
            if at < len(data) and data[at] != _QUOTE:
                raise Malformed("a member without a name")
            return None
        if len(self._stack) == self._level:
            self._member = _read_name(found[0])
            self._listener.name(self._level, self._member, found[0])
        self._expect = self._colon
        return found.end()

    def _colon(self, data: bytes, at: int) -> int | None:
        at = after_space(data, at)
        if at < len(data):
            if data[at] != _COLON:
                raise Malformed("a member without a colon")
            self._expect = self._value
            at += 1
        return at

    def _value(self, data: bytes, at: int) -> int | None:
        at = after_space(data, at)
        if at == len(data):
            return at
        first = data[at]
        if first == _OBJECT and self._member == self._enter and self._stack == b"{":
            self._level = 2
            return self._open(data, at)
        if len(self._stack) == self._level:
            self._inside, self._from = True, at
        if first == _QUOTE:
            self._expect = self._text
            return at + 1
        if first in _CLOSES.values():
            return self._open(data, at)
        after = after_word(data, at)
        if after == len(data):
            return None
        if not _scalar.fullmatch(data, at, after):
            raise Malformed("not a value")
        return self._ended(data, after)

    def _text(self, data: bytes, at: int) -> int | None:
        if self._far and (far := goes_on(data, at)):
            return far
        end, ended, escaped = text_end(data, at, WINDOW if self._far else NEAR)
        self._far = not ended
        if not is_text(data, at, end, self._ascii and not escaped):
            raise Malformed("a string with an escape or a character it cannot have")
        if ended:
            return self._ended(data, end + 1)
        return end if end > at else None

    def _next(self, data: bytes, at: int) -> int | None:
        at = after_space(data, at)
        if at == len(data):
            return at
        return self._many(data, at + 1) if data[at] == _COMMA else self._close(data, at)

    def _nothing(self, data: bytes, at: int) -> int | None:
        at = after_space(data, at)
        if at < len(data):
            raise Malformed("more than one value")
        return at

    # The brackets.

    def _open(self, data: bytes, at: int) -> int:
        if len(self._stack) == MAX_DEPTH:
            raise Malformed(f"more than {MAX_DEPTH} levels deep")
        self._stack.append(data[at])
        self._expect = self._first
        return at + 1

    def _close(self, data: bytes, at: int) -> int:
        if self._stack[-1] != _CLOSES.get(data[at]):
            raise Malformed("neither a comma nor the right bracket")
        self._stack.pop()
        if self._level > len(self._stack) > 0:
            self._level = 1  # the entered object is over
            self._inside = False
            self._listener.end(1)
            self._expect = self._next
            return at + 1
        return self._ended(data, at + 1)

    def _ended(self, data: bytes, at: int) -> int:
        """A value ends before `at`."""
        self.within_text = False
        if self._inside and len(self._stack) == self._level:
            self._inside = False
            self._listener.piece(data[self._from : at])
            self._listener.end(self._level)
        self._expect = self._next if self._stack else self._nothing
        return at

    def _many(self, data: bytes, at: int) -> int:
        """Where a member or an item begins: as many whole ones as there are, if nobody hears of them."""
        is_object = self._stack[-1] == _OBJECT
        self._expect = self._name if is_object else self._value
        if len(self._stack) <= self._level:
            return at
        if not is_object and (after := self._alike(data, at)):
            return after
        found = (members() if is_object else items()).match(data, at, at + STEPPED)
        return at if found is None else found.end()

    def _alike(self, data: bytes, at: int) -> int:
        """The end of a run of items like the first, after its comma; or 0."""
        depth = len(self._stack)
        if self._doubts and depth >= self._doubted:
            self._doubts = max(0, self._doubts - 1)
            return 0
        ends = [*guessed_ends(data, at)]
        for end in ends:
            self._steps -= RUN_STEPS
            if are_items(data[at:end], MAX_DEPTH - depth):
                self._refused = 0
                return end + 1
        if ends:
            self._doubts, self._doubted = DOUBTS << min(self._refused, 6), depth
            self._refused += 1
        return 0


def _read_name(raw: bytes) -> str:
    try:
        return _name.decode(raw)
    except ValueError:  # half of a surrogate pair
        return str(json.loads(raw))
