"""JSON as the wire believes it: agents' bodies strictly, tool servers' answers leniently but bounded.

Two parsers that read one body differently are how a policy is shown one call and a server another. So
an agent's body has exactly one reading here, or none, and what was read is what is forwarded. It knows
JSON and limits, and nothing of MCP.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import msgspec
import pydantic_core

from gateway.errors import Refused
from gateway.reasons import Reason

MAX_VALUES: Final = 100_000
"""Most values (members and elements) one agent's body may hold, whatever its size in bytes."""
MAX_ANSWER_VALUES: Final = 2_000_000
"""The same for one message of a tool server."""
MAX_ANSWER_DEPTH: Final = 200
"""Levels of such a message: the fast parser's own bound, and so that of the others."""
SHORT: Final = 2 * MAX_ANSWER_DEPTH  # bytes of one that is no deeper: a level has two ends
MAX_DIGITS: Final = 19
"""Most digits of an integer: any 64-bit number fits."""

_BOM: Final = b"\xef\xbb\xbf"
_NOT_STRUCTURE: Final = bytes(byte for byte in range(256) if byte not in b'"[]{},')
_SPACED: Final = (b" :", b"\t:", b"\n:", b"\r:")
_LARGE: Final = 10**18
_LONG: Final = b"0" * MAX_DIGITS
_STRIDE: Final = MAX_DIGITS // 3
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_ENCODER: Final = msgspec.json.Encoder()
_FAST: Final = msgspec.json.Decoder()
_DOUBT: Final = object()
_PIECE: Final = 64 * 1024
_SUSPECT: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE_OR_NUL: Final = re.compile("[\ud800-\udfff\0]")
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")


class Unreadable(ValueError):
    """A tool server's answer is not JSON within the bounds. The message says what, never the content."""


class _No(ValueError):
    """Raised inside the parser's hooks; leaves this file as `Refused`."""


def parse(body: bytes, *, max_bytes: int, max_depth: int) -> Any:
    """The one value in an agent's body. Raises `Refused` (malformed, too_large, too_deep).

    Refused: anything RFC 8259 does not allow, and of what it allows: a byte order mark, a member twice
    in one object, a lone surrogate, NUL, a number no double can hold, an integer of more than
    `MAX_DIGITS` digits, more than `MAX_VALUES` values, more than `max_depth` levels.
    """
    # All that is bounded is, before any parser recurses or allocates.
    size = len(body)
    if size > max_bytes:
        raise Refused(Reason.TOO_LARGE, f"body is larger than {max_bytes} bytes")
    if size > MAX_VALUES and _values_over(body, MAX_VALUES):
        raise Refused(Reason.TOO_LARGE, f"more than {MAX_VALUES} values")
    # Brackets are taken out, not counted: that skips what lies between two of them, and ends where they are too many.
    enough = max_depth + 1
    brackets = size - len(body.replace(b"[", b"", enough).replace(b"{", b"", enough))
    if brackets > max_depth and _deeper_than(_structure(body), max_depth):
        raise Refused(Reason.TOO_DEEP, f"more than {max_depth} levels deep")
    value = _plainly(body)
    return _strictly(body, max_depth) if value is _DOUBT else value


def _strictly(body: bytes, max_depth: int) -> Any:
    if body.startswith(_BOM):
        raise Refused(Reason.MALFORMED, "body starts with a byte order mark")
    try:
        text = body.decode()
        value = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise Refused(Reason.MALFORMED, f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Refused(Reason.MALFORMED, f"not JSON: {error.msg} at character {error.pos}") from None
    except _No as error:
        raise Refused(Reason.MALFORMED, str(error)) from None
    except RecursionError:
        raise Refused(Reason.TOO_DEEP, f"more than {max_depth} levels deep") from None
    # Raw control characters and encoded surrogates are refused above, so only an escape can bring these.
    if _SUSPECT.search(text):
        _check_strings(value)
    return value


def _plainly(body: bytes) -> Any:
    """The value by the fast parser, where its reading is the strict one; else `_DOUBT`.

    The fast parser takes the last of two members of one name. A value that is written back to the very bytes it
    was read from has lost none. Where a client writes otherwise, with spaces, members are counted: those of the
    value, and in the text every closing quote before a colon, which is at least one for each member. Anything
    that is rare and could be read otherwise (`\\u`, long numbers, space before a colon) is a doubt.
    """
    # `find`: bytes asked with `in` are first taken for a number, and the error of that thrown away. One byte is
    # found faster than two.
    if body.find(b"\\") >= 0 and body.find(b"\\u") >= 0:
        return _DOUBT
    # Where so many digits are in a row, three strides in a row end on a digit. To look at every byte costs half as
    # much as to read them.
    strides = body[::_STRIDE].translate(_DIGITS)
    if strides.find(b"000") >= 0 and body.translate(_DIGITS).find(_LONG) >= 0:
        return _DOUBT
    try:
        value = _FAST.decode(body)
        if _ENCODER.encode(value) == body:
            return value
    except (ValueError, RecursionError):
        return _DOUBT
    return value if _counted(body, value) else _DOUBT


def _counted(body: bytes, value: Any) -> bool:
    bare = body
    if b"\\" in body:
        bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if any(spaced in bare for spaced in _SPACED):
        return False
    return _plain_members(value) == bare.count(b'":')


def _plain_members(root: Any) -> int:
    """How many members the objects of a value have; -1 when it holds a number to be looked at closely."""
    members, waiting = 0, [root]
    while waiting:
        node = waiting.pop()
        if type(node) is dict:
            members += len(node)
            waiting.extend(node.values())
        elif type(node) is list:
            waiting.extend(node)
        elif type(node) is int:
            if not -_LARGE < node < _LARGE:
                return -1
        elif type(node) is float:
            return -1
    return members


def parse_answer(body: bytes, max_bytes: int) -> Any:
    """The one value in a tool server's message. Raises `Unreadable`.

    Lenient where a real server would work when asked directly: of a member given twice the last wins, a lone
    surrogate survives as it is (`dumps` writes it back as its escape), integers of any length a person would write
    are exact. Bounded in bytes and in depth. NaN and Infinity are not JSON. A number past the range of a double is
    infinite here and null in `dumps`, as in JavaScript. Bounded in values too: a byte can cost thirty of memory.
    """
    if (size := len(body)) > max_bytes:
        raise Unreadable(f"larger than {max_bytes} bytes")
    if size > MAX_ANSWER_VALUES and _values_over(body, MAX_ANSWER_VALUES):
        raise Unreadable(f"more than {MAX_ANSWER_VALUES} values")
    if size <= SHORT:
        try:
            return _FAST.decode(body)  # faster still, as long as there is little to read
        except (ValueError, RecursionError):
            pass  # what is wrong, and whether it is, the others say
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        if b"\\u" not in body:
            raise Unreadable(f"not JSON: {error}") from None
    # The fast parser refuses lone surrogates, and JavaScript makes them by cutting a string in two.
    if _deeper_than(_structure(body), MAX_ANSWER_DEPTH):
        raise Unreadable(f"more than {MAX_ANSWER_DEPTH} levels deep")
    try:
        return _LENIENT.decode(body.decode())
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {error}") from None


encode: Final = _ENCODER.encode
"""As `dumps`, of a value from `parse`: no lone surrogate is in it."""


def dumps(value: Any) -> bytes:
    """A value from `parse` or `parse_answer` as compact UTF-8 JSON. Integers and doubles are exact."""
    try:
        return _ENCODER.encode(value)
    except ValueError:
        # Lone surrogates have no UTF-8.
        finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
        return json.dumps(finite, separators=(",", ":"), allow_nan=False).encode()


def _values_over(body: bytes, most: int) -> bool:
    """Whether there are more values than `most`: each follows a comma or the start of its container."""
    if len(body) <= most or _values(body) <= most:
        return False
    return _values(_structure(body)) > most


def _values(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _structure(body: bytes) -> bytes:
    """The brackets and commas that stand outside strings, as far as the body is JSON.

    With escaped quotes gone every quote opens or closes a string. In pieces, because a list of all the
    parts of a body made of quotes would be many times its size.
    """
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    compact = unescaped.translate(None, _NOT_STRUCTURE)
    outside, inside_string = [], 0
    for start in range(0, len(compact), _PIECE):
        parts = compact[start : start + _PIECE].split(b'"')
        outside.append(b"".join(parts[inside_string::2]))
        inside_string ^= (len(parts) - 1) & 1
    return b"".join(outside)


def _deeper_than(bare: bytes, max_depth: int) -> bool:
    """Whether the structure of JSON nests deeper. False for what is unbalanced: the parser refuses that.

    Each round takes away every innermost pair, so balanced brackets of n levels are gone after n
    rounds: C over the whole instead of a Python step per byte.
    """
    nest = bare.translate(_ONE_KIND, _NOT_BRACKETS)
    too_many = b"[" * (max_depth + 1)
    for _ in range(max_depth):
        if too_many in nest:
            return True
        shorter = nest.replace(b"[]", b"")
        if len(shorter) == len(nest):
            break
        nest = shorter
    if nest.startswith(b"]"):
        return False
    return b"]" in nest or len(nest) > max_depth


def _check_strings(value: Any) -> None:
    """Refuse a lone surrogate or NUL in any key or string."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            if _SURROGATE_OR_NUL.search(node):
                raise Refused(Reason.MALFORMED, "a string holds a lone surrogate or NUL")
        elif isinstance(node, dict):
            waiting.extend(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _No("an object holds a member twice")
    return members


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS and len(digits.lstrip("-")) > MAX_DIGITS:
        raise _No(f"an integer has more than {MAX_DIGITS} digits")
    return int(digits)


def _double(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _No("a number is out of range")
    return number


def _constant(name: str) -> Any:
    raise _No(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_double,
    parse_constant=_constant,
)
_LENIENT: Final = json.JSONDecoder(parse_constant=_constant)
