"""Words a tool server wrote, made visible: characters that hide, and how to spell them out.

Descriptions are read by models and by people; what a person cannot see is what an attacker writes
in. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

MAX_DESCRIPTION: Final = 4096
_HIDING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ALLOWED: Final = frozenset("\n\t\r")
_ORDERS: Final = re.compile(
    r"<\s*/?\s*(important|system|instructions?|secret)\s*>"
    r"|ignore (all |any )?(previous|prior|other) instructions"
    r"|do not (tell|mention|inform|reveal)"
    r"|before (using|calling) (this|any|other) tool"
    r"|(~|/home|/root)/\.(ssh|aws|config|cursor)\b|\bid_rsa\b|\.env\b",
    re.IGNORECASE,
)


def hides(char: str) -> bool:
    """Control, format (zero-width, bidi, tags), private, unassigned, line and paragraph separators."""
    return char not in _ALLOWED and unicodedata.category(char) in _HIDING


def unseen(text: str) -> bool:
    """Whether a name has characters a person cannot see, line ends included."""
    return any(hides(char) or char in _ALLOWED for char in text)


def spelt_out(text: str) -> str:
    """JSON text with every hiding character written as its \\u escape: the same JSON, all to be seen."""
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(_escape(char) if hides(char) else char for char in text)


def printable(text: str) -> str:
    """Text for a terminal: hiding characters as escapes, so that nothing written by a server acts on it."""
    return "".join(_escape(c) if hides(c) or c == "\r" else c for c in text)


def _escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def flags(descriptor: Any) -> list[str]:
    """What an operator should look at twice before approving, each with the place it was found.

    Hints for a person; nothing is decided by them.
    """
    found: list[str] = []
    for where, text in _strings(descriptor):
        hidden = sorted({f"U+{ord(char):04X}" for char in text if hides(char)})
        if hidden:
            found.append(f"{where}: characters that cannot be seen: {', '.join(hidden[:8])}")
        if _ORDERS.search(text):
            found.append(f"{where}: reads like orders to a model, or names secret files")
        if len(text) > MAX_DESCRIPTION:
            found.append(f"{where}: {len(text)} characters long")
    return found


def _strings(root: Any) -> Iterator[tuple[str, str]]:
    """Every text of a descriptor at any depth, member names too: models read schemas as well as descriptions."""
    waiting = [("", root)]
    while waiting:
        where, node = waiting.pop()
        if isinstance(node, str):
            yield where or "/", node
        elif isinstance(node, dict):
            yield from ((f"{where}/ (a member's name)", key) for key in node)
            waiting += [(f"{where}/{key}", value) for key, value in reversed(node.items())]
        elif isinstance(node, list):
            waiting += [(f"{where}/{at}", node[at]) for at in range(len(node) - 1, -1, -1)]
