"""Much JSON in one look: a long text, a run of items, many small members. Pure.

Where one of these begins and ends is a guess or a pattern's; that it is strict JSON is proved each time, by
the fast parser or by the pattern itself. What is refused here may still be JSON,
and is then read by steps (json_walk.py).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import pydantic_core
from pydantic_core import SchemaValidator
from pydantic_core.core_schema import list_schema, typed_dict_schema

WINDOW: Final = 128 * 1024
"""Bytes of a text looked at at once."""
RUN: Final = 32 * 1024
"""Bytes of items: the parser takes up to sixty times their memory while it looks."""
NEAR: Final = 512
"""Bytes in which the end of a text is looked for first, and the beginning of an item."""
BRIEF: Final = 64
"""Bytes of a text up to which its own pattern is the faster way."""

SPACE: Final = rb"[ \t\n\r]*+"
_BODY: Final = rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+'
STRING: Final = rb'"%b"' % _BODY
_NUMBER: Final = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
SCALAR: Final = rb"(?:%b|%b|true|false|null)" % (STRING, _NUMBER)
_PAIR: Final = b"__"
"""Stands for an escape of two bytes while the end of a text is looked for."""

# They read all and keep nothing: no value is made of what they are given.
_fields: Final = SchemaValidator(typed_dict_schema({}, extra_behavior="ignore"))
_records: Final = SchemaValidator(list_schema(typed_dict_schema({}, extra_behavior="ignore")))

_CONTROLS: Final = tuple(bytes([byte]) for byte in range(0x20))
_body: Final = re.compile(_BODY)
_cut_escape: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?")
_cut_character: Final = re.compile(
    rb"(?:[\xc0-\xff]|[\xe0-\xff][\x80-\xbf]|[\xf0-\xff][\x80-\xbf]{2})\Z"
)
_item_start: Final = re.compile(rb'%b(?:\{%b%b%b:|"|(?=[-0-9]))' % (SPACE, SPACE, STRING, SPACE))


def _item(value: bytes) -> bytes:
    return SPACE + value + SPACE


def _member(value: bytes) -> bytes:
    return SPACE + STRING + SPACE + b":" + _item(value)


def _or_containers(value: bytes) -> bytes:
    """A scalar, or one array or object of `value`s."""
    of = [
        rb"\%b(?:%b|%b(?:,%b)*+)\%b" % (left, SPACE, one, one, right)
        for left, one, right in ((b"[", _item(value), b"]"), (b"{", _member(value), b"}"))
    ]
    return rb"(?:%b|%b|%b)" % (SCALAR, *of)


_VALUE: Final = _or_containers(_or_containers(SCALAR))


@cache
def items() -> re.Pattern[bytes]:
    """As many whole ones as there are, each with its comma: a step of Python for each costs too much."""
    return re.compile(rb"(?:%b,)*+" % _item(_VALUE))


@cache
def members() -> re.Pattern[bytes]:
    """The same of an object's members."""
    return re.compile(rb"(?:%b,)*+" % _member(_VALUE))


def get_ready() -> None:
    """Make the patterns that take a while to make, so that no result waits for them."""
    items(), members()


def text_end(data: bytes, at: int, size: int) -> tuple[int, bool]:
    """Where the text that begins or goes on at `at` ends within so many bytes, and whether with its quote.

    Without, it may be cut anywhere: an escape or a character that is not whole is left away."""
    edge = min(at + size, len(data))
    if data.find(b"\\", at, edge) < 0:
        end = data.find(b'"', at, edge)
        return (end, True) if end >= 0 else (_uncut(data, at, edge), False)
    bare = data[at:edge].replace(b"\\\\", _PAIR).replace(b'\\"', _PAIR)
    end = bare.find(b'"')
    return (at + end, True) if end >= 0 else (at + _uncut(bare, 0, len(bare)), False)


def _uncut(bare: bytes, start: int, end: int) -> int:
    cut = bare.rfind(b"\\", max(start, end - 5), end)
    if cut >= 0 and _cut_escape.fullmatch(bare, cut, end):
        return cut
    found = _cut_character.search(bare, max(start, end - 3), end)
    return end if found is None else found.start()


def is_text(data: bytes, at: int, end: int, ascii: bool) -> bool:
    """What may stand between quotes; it is UTF-8, and there is no quote in it that is not escaped.

    `ascii`: most of it is, at a guess. The parser is fast with that only, or with escapes."""
    if end - at > BRIEF:
        if not ascii and data.find(b"\\", at, end) < 0:
            return all(data.find(control, at, end) < 0 for control in _CONTROLS)
        try:
            _fields.validate_json(b"".join((b'{"":"', memoryview(data)[at:end], b'"}')))
            return True
        except pydantic_core.ValidationError:
            pass  # perhaps only for half of a surrogate pair
    return _body.fullmatch(data, at, end) is not None


def are_items(text: bytes) -> bool:
    """One value or more, with commas between them; there is something in it."""
    try:
        if text.lstrip().startswith(b"{") and not (_has(text, b"NaN") or _has(text, b"Infinity")):
            _records.validate_json(b"[%b]" % text)
        else:
            pydantic_core.from_json(b"[%b]" % text, allow_inf_nan=False, cache_strings="none")
    except ValueError:
        return False
    return True


def _has(text: bytes, word: bytes) -> bool:
    return word[:1] in text and word in text  # one byte is found many times faster


def guessed_end(data: bytes, at: int) -> int:
    """Where a run of items may end, for one that begins as the first does follows; 0: there is no telling."""
    first = _item_start.match(data, at, at + NEAR)
    if first is None or (not first[0].strip() and data.find(b"]", at, at + NEAR) >= 0):
        return 0  # of a short list of numbers the end is nearer than that of the run
    return max(0, data.rfind(b"," + first[0], at, at + RUN))
