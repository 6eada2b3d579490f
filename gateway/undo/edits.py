"""What `edit_file` of the reference file server makes of a file: said beforehand, to know it again afterwards.

As npm @modelcontextprotocol/server-filesystem 2026.8.31 has it (dist/lib.js, applyFileEdits): line ends become
LF; each edit replaces the first exact find, or else the first run of lines that are the same but for white
space around them. A wrong guess settles nothing: it is only ever compared with what is there. Pure.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from gateway.core.model import JsonObject

_SPACE: Final = "\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What JavaScript trims."""
_INDENT: Final = re.compile(f"[{_SPACE}]*")
_AROUND: Final = re.compile(f"^[{_SPACE}]+|[{_SPACE}]+$")


def edited(b64: str, edits: list[Any]) -> str:
    """Base64 of the file after these `{oldText, newText}`. Raises `ValueError` where one finds nothing."""
    text = base64.b64decode(b64, validate=True).decode("utf-8", "replace").replace("\r\n", "\n")
    for edit in edits:
        text = _edit(text, edit)
    return base64.b64encode(text.encode("utf-8")).decode()


def _edit(text: str, edit: JsonObject) -> str:
    old, new = (str(edit[name]).replace("\r\n", "\n") for name in ("oldText", "newText"))
    if old in text:
        return text.replace(old, new, 1)
    wanted, lines = old.split("\n"), text.split("\n")
    for at in range(len(lines) - len(wanted) + 1):
        if all(_bare(one) == _bare(lines[at + i]) for i, one in enumerate(wanted)):
            return "\n".join(
                [*lines[:at], *_indented(new, wanted, lines[at]), *lines[at + len(wanted) :]]
            )
    raise ValueError("an edit finds nothing")


def _indented(new: str, wanted: list[str], first: str) -> list[str]:
    """The new lines, as far in as the old ones were."""
    base = _indent(first)
    made = []
    for number, line in enumerate(new.split("\n")):
        was = _indent(wanted[number]) if number < len(wanted) else ""
        now = _indent(line)
        if number == 0:
            made.append(base + line[len(now) :])
        elif was and now:
            made.append(base + " " * max(0, len(now) - len(was)) + line[len(now) :])
        else:
            made.append(line)
    return made


def _indent(line: str) -> str:
    found = _INDENT.match(line)
    return found.group() if found else ""


def _bare(line: str) -> str:
    return _AROUND.sub("", line)
