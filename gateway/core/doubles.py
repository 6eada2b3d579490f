"""Numbers with a fraction or an exponent, as somebody wrote them: is a double the same? Pure.

Whoever reads JSON into doubles loses the digits that none has (a decimal of 20, an exponent of 400). Written back, the
number is another one, and looks the same to whoever reads it so again.
"""

from __future__ import annotations

import math
import re
from decimal import Context, Decimal, InvalidOperation
from typing import Final

_TEXT: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_LONG: Final = re.compile(rb"[0-9][0-9.]{15}|[0-9][eE]")
_NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)")


def is_exact(literal: str) -> bool:
    """Is it what the double says, or that double with more digits than it takes to tell it, as some languages write?"""
    number = float(literal)
    if math.isinf(number):
        return False
    try:
        said = Decimal(literal)
        digits = Context(prec=max(1, len(said.as_tuple().digits)))
        return said in (Decimal(repr(number)), digits.plus(Decimal(number)))
    except InvalidOperation:  # an exponent that no program means
        return False


def exactly(literal: str) -> float:
    """The double. Raises `ValueError` if it is not the same."""
    if not is_exact(literal):
        raise ValueError("a number that no double is")
    return float(literal)


def rounds(body: bytes) -> bool:
    """Whether this JSON, read into doubles, says something else. What stands in texts is text."""
    if _LONG.search(body) is None:
        return False
    bare = _TEXT.sub(b'""', body)
    return not all(is_exact(found.decode()) for found in _NUMBER.findall(bare))
