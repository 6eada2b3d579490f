"""Text from agents and tool servers, made safe to print: what it says is shown, what it does is not done.

Control characters move cursors, retitle windows and hide lines; bidirectional overrides and
invisible characters make a name look like another. All are shown as escapes. Pure.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from gateway.catalogue.text import unseen

_PLAIN: Final = re.compile(r"[ -~]*")


def visible(value: Any) -> str:
    """The text on one line; every control, format, private, unassigned or surrogate character as `\\uXXXX`."""
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_shown, text))


def as_text(value: Any) -> str:
    """A string as it is, anything else as JSON. Not yet `visible`."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(character: str) -> str:
    if not unseen(character):
        return character
    code = ord(character)
    if code < 0x100:
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
