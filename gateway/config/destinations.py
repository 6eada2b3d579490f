"""Where a URL really leads: one canonical host, or none if two readers could disagree about it.

Browsers, libraries and servers read odd URLs differently (backslashes, user names, numbers as
addresses). Whatever is odd is refused here instead of understood. It knows text, and no network.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+-]*://")
"""A scheme with a dot in it is a host to some."""
_BARE: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?")

_OF_VERSION_4: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/96",  # but for `::` and `::1`, which are none
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
    )
)
"""Where an address of version 4 is written as one of version 6 (RFC 3056, 4291, 6052, 8215)."""


def host_of(text: str) -> str | None:
    """The host of an absolute URL, or of a bare `host` or `host:port`, in canonical form.

    Lower case, no trailing dot, IPv6 in brackets. None for anything two readers could take differently:
    user information, backslash, blanks and controls, percent signs, letters beyond ASCII, odd numbers.
    """
    if not text.isascii() or not text.isprintable() or any(c in "\\ " for c in text):
        return None
    if not _URL.match(text) and not _BARE.fullmatch(text):
        return None
    try:
        parts = urlsplit(text if _URL.match(text) else f"x://{text}")
        port, name = parts.port, parts.hostname
    except ValueError:
        return None
    if not name or any(c in parts.netloc for c in "@%") or port == 0:
        return None
    if parts.netloc.startswith("["):
        return _version_6(name) if _BARE.fullmatch(parts.netloc) else None
    return _name(name)


def _version_6(text: str) -> str | None:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    # One that leads to an address of version 4 is a second spelling of that.
    leads = any(address in each for each in _OF_VERSION_4) and int(address) > 1
    return None if leads else f"[{address.compressed}]"


def _name(text: str) -> str | None:
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    if not _NUMBER.fullmatch(labels[-1]):
        return name
    try:
        return str(ipaddress.IPv4Address(name))  # the four-part decimal form and no other
    except ValueError:
        return None
