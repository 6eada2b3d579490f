"""Much JSON in one look: a long text, a run of items, many small members. Pure.

Where one of these begins and ends is a guess or a pattern's; that it is strict JSON is proved each time, by
a parser that makes no value of it or by the pattern itself. UTF-8 it is already, whoever asks here has looked. What
is refused here may still be JSON, and is then read by steps (json_walk.py).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import Final

import msgspec
from pydantic_core import SchemaValidator
from pydantic_core.core_schema import typed_dict_schema

WINDOW: Final = 128 * 1024
"""Bytes of a text looked at at once."""
RUN: Final = 64 * 1024
"""Bytes of items: where they are of one byte each, the list of them is thirty times as large while it is looked at."""
NEAR: Final = 512
"""Bytes in which the end of a text is looked for first, and the beginning of an item."""
GUESSES: Final = 4
BRIEF: Final = 64
"""Bytes of a text up to which its own pattern is the faster way."""

_SOUND: Final = sys.version_info >= (3, 11, 5)
"""Before, `(?:...)*+` also takes the beginning of one that is not whole. `(?>(?:...)*)` does not, and is slower."""


def _each(one: bytes, times: bytes = b"*") -> bytes:
    """As many as there are, and none of them given back."""
    return (rb"(?:%b)%b+" if _SOUND else rb"(?>(?:%b)%b)") % (one, times)


SPACE: Final = rb"[ \t\n\r]*+"
_PLAIN: Final = rb'[^"\\\x00-\x1f]*+'
_BODY: Final = _PLAIN + _each(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})' + _PLAIN)
STRING: Final = rb'"%b"' % _BODY
_NUMBER: Final = b"".join(
    (rb"-?+(?:0|[1-9][0-9]*+)", _each(rb"\.[0-9]++", b"?"), _each(rb"[eE][+-]?+[0-9]++", b"?"))
)
SCALAR: Final = rb"(?:%b|%b|true|false|null)" % (STRING, _NUMBER)
_PAIR: Final = b"__"
"""Stands for an escape of two bytes while the end of a text is looked for."""

# They read all and keep nothing: no value is made of what they are given. The first is three times as fast with
# what is ASCII and has no escapes, and several times as slow with all else.
_fields: Final = SchemaValidator(typed_dict_schema({}, extra_behavior="ignore"))
_value: Final = msgspec.json.Decoder(msgspec.Raw)
_values: Final = msgspec.json.Decoder(list[msgspec.Raw])

_space: Final = re.compile(SPACE)
_word: Final = re.compile(rb"[-+.0-9A-Za-z]*+")
_BLANK: Final = ord(" ")
_body: Final = re.compile(_BODY)
_cut_escape: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?")
_cut_character: Final = re.compile(
    rb"(?:[\xc0-\xff]|[\xe0-\xff][\x80-\xbf]|[\xf0-\xff][\x80-\xbf]{2})\Z"
)
_item_start: Final = re.compile(
    rb'%b(?:\{%b%b%b:|[\["]|(?=[-0-9]))' % (SPACE, SPACE, STRING, SPACE)
)


def _item(value: bytes) -> bytes:
    return SPACE + value + SPACE


def _member(value: bytes) -> bytes:
    return SPACE + STRING + SPACE + b":" + _item(value)


def _or_containers(value: bytes) -> bytes:
    """A scalar, or one array or object of `value`s."""
    of = [
        rb"\%b(?:%b|%b%b)\%b" % (left, SPACE, one, _each(b"," + one), right)
        for left, one, right in ((b"[", _item(value), b"]"), (b"{", _member(value), b"}"))
    ]
    return rb"(?:%b|%b|%b)" % (SCALAR, *of)


_VALUE: Final = _or_containers(_or_containers(SCALAR))


@cache
def items() -> re.Pattern[bytes]:
    """As many whole ones as there are, each with its comma: a step of Python for each costs too much."""
    return re.compile(_each(_item(_VALUE) + b","))


@cache
def members() -> re.Pattern[bytes]:
    """The same of an object's members."""
    return re.compile(_each(_member(_VALUE) + b","))


def get_ready() -> None:
    """Make the patterns that take a while to make, so that no result waits for them."""
    items(), members()


def after_space(data: bytes, at: int) -> int:
    """Where the next token begins."""
    if at < len(data) and data[at] > _BLANK:
        return at
    found = _space.match(data, at)
    return at if found is None else found.end()


def after_word(data: bytes, at: int) -> int:
    """Where a number, or a word, ends that begins here."""
    found = _word.match(data, at)
    return at if found is None else found.end()


def text_end(data: bytes, at: int, size: int) -> tuple[int, bool, bool]:
    """Of the text that begins or goes on at `at`, looked at for `size` bytes: how far it goes, whether it ends there
    with its quote, and whether it may have escapes.

    Without its quote it may be cut anywhere: an escape or a character that is not whole is left away."""
    edge = min(at + size, len(data))
    if data.find(b"\\", at, edge) < 0:
        end = data.find(b'"', at, edge)
        return (end, True, False) if end >= 0 else (_uncut(data, at, edge), False, False)
    bare = data[at:edge].replace(b"\\\\", _PAIR).replace(b'\\"', _PAIR)
    end = bare.find(b'"')
    return (at + end, True, True) if end >= 0 else (at + _uncut(bare, 0, len(bare)), False, True)


def _uncut(bare: bytes, start: int, end: int) -> int:
    cut = bare.rfind(b"\\", max(start, end - 5), end)
    if cut >= 0 and _cut_escape.fullmatch(bare, cut, end):
        return cut
    found = _cut_character.search(bare, max(start, end - 3), end)
    return end if found is None else found.start()


def goes_on(data: bytes, at: int) -> int:
    """How far a text with escapes that goes on at `at` is proved to be text and not to end: to about the end of the
    window, or 0 where that is not so. Far from its end, that is found out several times faster than where it ends."""
    edge = min(at + WINDOW, len(data))
    if data.find(b"\\", at, edge) < 0:
        return 0
    end = _before_cut_escape(data, at, edge)
    try:
        _value.decode(b"".join((b'"', memoryview(data)[at:end], b'"')))
    except ValueError:
        return 0
    return end if end > at else 0


def _before_cut_escape(data: bytes, at: int, edge: int) -> int:
    last = data.rfind(b"\\", max(at, edge - 5), edge)
    if last < 0 or not _cut_escape.fullmatch(data, last, edge):
        return edge
    before = data[at : last + 1]
    slashes = len(before) - len(before.rstrip(b"\\"))
    return last if slashes % 2 else edge  # of two, the second is no beginning


def is_text(data: bytes, at: int, end: int, plain: bool) -> bool:
    """What may stand between quotes; there is no quote in it that is not escaped, and it is UTF-8.

    `plain`: it is ASCII and has no escapes, at a guess: so it is read faster."""
    if end - at > BRIEF:
        text = memoryview(data)[at:end]
        try:
            if plain:
                _fields.validate_json(b"".join((b'{"":"', text, b'"}')))
            else:
                _value.decode(b"".join((b'"', text, b'"')))
            return True
        except ValueError:
            pass  # perhaps only for half of a surrogate pair
    return _body.fullmatch(data, at, end) is not None


def is_plain(data: bytes) -> bool:
    """What may stand between quotes, whatever it is, and UTF-8 in whole characters. Of what may not it is not said
    why. Most is ASCII and has few escapes, at a guess: what has many has one near its beginning."""
    if b'"' in data or data.find(b"\\", 0, NEAR) >= 0:
        return False
    try:
        _fields.validate_json(b'{"":"%b"}' % data)
    except ValueError:
        return False
    return True


def are_items(text: bytes, deepest: int) -> bool:
    """One value or more, with commas between them, and none of them has more than so many levels."""
    try:
        values = _values.decode(b"[%b]" % text)
    except (ValueError, RecursionError):
        return False
    # A level has two brackets: what is no longer than so many is not deeper.
    if max(map(len, values), default=0) <= 2 * deepest or _opens_at_most(text, deepest):
        return True
    return all(_opens_at_most(bytes(value), deepest) for value in values)


def _opens_at_most(text: bytes, most: int) -> bool:
    """By looking for one bracket after the other: counting reads every byte, and mostly there are few."""
    for bracket in (b"[", b"{"):
        at = text.find(bracket)
        while at >= 0:
            if not most:
                return False
            most -= 1
            at = text.find(bracket, at + 1)
    return True


def guessed_ends(data: bytes, at: int) -> Iterator[int]:
    """Where a run of items may end, for one that begins as the first does follows; the farthest first. What begins so
    may also be within an item: so there are some guesses."""
    first = _item_start.match(data, at, at + NEAR)
    if first is None or (not first[0].strip() and data.find(b"]", at, at + NEAR) >= 0):
        return  # of a short list of numbers the end is nearer than that of the run
    follows, end = b"," + first[0], at + RUN
    for _ in range(GUESSES):
        end = data.rfind(follows, at, end)
        if end <= at:
            return
        yield end
