"""Much JSON in one look: a long text, a run of items, many small members. Pure.

Where one of these begins and ends is a guess or a pattern's; that it is strict JSON is proved each time, by
the fast parser (whose values are dropped) or by the pattern itself. What is refused here may still be JSON,
and is then read by steps (json_walk.py).
"""

from __future__ import annotations

import re
from typing import Final

import pydantic_core

WINDOW: Final = 64 * 1024
"""Bytes looked at at once."""
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
ITEMS: Final = re.compile(rb"(?:%b,)*+" % _item(_VALUE))
MEMBERS: Final = re.compile(rb"(?:%b,)*+" % _member(_VALUE))
"""As many whole ones as there are, each with its comma: a step of Python for each costs too much."""


def text_at(data: bytes, at: int, size: int) -> tuple[bytes, bool]:
    """The text that begins or goes on at `at`, within so many bytes, and whether its quote follows.

    Without its quote it may be cut anywhere: an escape or a character that is not whole is left away."""
    window = data[at : at + size]
    bare = window
    if b"\\" in window:
        bare = window.replace(b"\\\\", _PAIR).replace(b'\\"', _PAIR)
    end = bare.find(b'"')
    return (window[:end], True) if end >= 0 else (window[: _uncut(bare)], False)


def _uncut(bare: bytes) -> int:
    end = len(bare)
    cut = bare.rfind(b"\\", max(0, end - 5))
    if cut >= 0 and _cut_escape.fullmatch(bare, cut):
        return cut
    found = _cut_character.search(bare, max(0, end - 3))
    return end if found is None else found.start()


def are_items(text: bytes) -> bool:
    """One value or more, with commas between them."""
    try:
        items = pydantic_core.from_json(b"[%b]" % text, allow_inf_nan=False, cache_strings="none")
    except ValueError:
        return False
    return bool(items)


def is_text(text: bytes) -> bool:
    """What may stand between quotes; UTF-8 it is."""
    if len(text) <= BRIEF:
        return _body.fullmatch(text) is not None
    if b"\\" not in text and not text.isascii():
        return not any(control in text for control in _CONTROLS)  # no need to make characters of it
    try:
        pydantic_core.from_json(b'"%b"' % text, cache_strings="none")
    except ValueError:
        return _body.fullmatch(text) is not None  # perhaps only for half of a surrogate pair
    return True


def guessed_end(data: bytes, at: int) -> int:
    """Where a run of items may end, for one that begins as the first does follows; 0: there is no telling."""
    first = _item_start.match(data, at, at + NEAR)
    return 0 if first is None else max(0, data.rfind(b"," + first[0], at, at + WINDOW))
