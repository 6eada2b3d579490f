"""What else a tool server may take a resource URI for: the same, decoded, or with all encoded that must be. Pure text.

Servers differ in what they decode (RFC 3986, 2.4 and 6.2.2). Nobody is let in by one spelling whom another keeps out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

LAYERS: Final = 4
"""Encodings within one another that anybody might take off."""
RESOURCE: Final = "resource:"
"""What is in front of a URI where policy.csv names tools."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]*")
_SAFE: Final = "~:/?#[]@!$&'()*+,;="
_HEAD: Final = re.compile(r"[^:/?#]*:(?://)?")
_EMPTY: Final = re.compile("//+")


def others(uri: str) -> Sequence[str]:
    """Its other spellings: decoded and without empty steps, and that encoded again; none of a plain one."""
    if _PLAIN.fullmatch(uri):
        return ()
    text = uri
    for _ in range(LAYERS):
        text = unquote(text)
    head = _HEAD.match(text)
    end = head.end() if head else 0
    plain = text[:end] + _EMPTY.sub("/", text[end:])
    return [other for other in (plain, quote(plain, _SAFE)) if other != uri]


def others_of(tool: str) -> Sequence[str]:
    """The same of what policy.csv calls a tool: none of what is no resource."""
    if not tool.startswith(RESOURCE):
        return ()
    return [f"{RESOURCE}{other}" for other in others(tool.removeprefix(RESOURCE))]
