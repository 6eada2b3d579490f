"""Other spellings of a resource URI that a tool server may take for the same: decoded, encoded again where that is
needed, and with the host in its plain form. Pure text.

Servers differ in what they decode (RFC 3986, 2.4 and 6.2.2). Who is kept out by one spelling gets in by none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from gateway.policy.patterns import Names

LAYERS: Final = 4
"""Encodings within one another that anybody might take off."""
RESOURCE: Final = "resource:"
"""What is in front of a URI where policy.csv names tools."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]*")
_SAFE: Final = "~:/?#[]@!$&'()*+,;="
_HEAD: Final = re.compile(r"[^:/?#]*:(?://)?")
_EMPTY: Final = re.compile("//+")
_USUAL: Final = re.compile(
    r"(?:file:///|(?!file:)[a-z][a-z0-9+.-]*://[a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*(?:[/?#]|\Z))"
)
"""Begins with a host in its plain form, or a file's without one."""
_HOSTED: Final = re.compile(r"([^:/?#]+)://([^/?#]*)")
_CUT: Final = re.compile(r"[^:/?#]+://[^/?#]*")
"""A prefix that ends within a host: it has no plain form."""
_AUTHORITY: Final = re.compile(r"(?:.*@)?(\[.*\]|[^:]*)(:.*)?", re.DOTALL)
_PORTS: Final = {"http": "80", "ws": "80", "https": "443", "wss": "443"}


def others(uri: str) -> Sequence[str]:
    """Its other spellings: decoded and without empty steps, that encoded again, and both with the host in its plain
    form; none of a plain one."""
    own = _with_plain_host(uri)
    if own == uri and _PLAIN.fullmatch(uri):
        return ()
    plain = _decoded(uri)
    found = [plain, quote(plain, _SAFE), own, *map(_with_plain_host, (plain, quote(plain, _SAFE)))]
    return [other for other in dict.fromkeys(found) if other != uri]


class Written:
    """The URIs and prefixes of a policy that are not written in their plain spelling. A question in any spelling is
    asked in theirs, too: from `repo://a%2fb` alone nobody could tell that a rule says `repo://a%2Fb`."""

    def __init__(self, patterns: Iterable[Names]) -> None:
        self._exact: dict[str, dict[str, None]] = {}
        self._prefixes: dict[str, str] = {}
        """What is written, to its plain form."""
        for pattern in patterns:
            for uri in sorted(pattern.exact):
                if (plain := _plain(uri)) != uri:
                    self._exact.setdefault(plain, {})[uri] = None
            whole = (prefix for prefix in pattern.prefixes if not _CUT.fullmatch(_decoded(prefix)))
            self._prefixes |= {uri: plain for uri in whole if (plain := _plain(uri)) != uri}

    def others(self, uri: str) -> Sequence[str]:
        """All other spellings of a URI that something may be written of."""
        found = others(uri)
        if not self._exact and not self._prefixes:
            return found
        plain = _plain(uri)
        more = [
            prefix + plain.removeprefix(begins)
            for prefix, begins in self._prefixes.items()
            if plain.startswith(begins)
        ]
        every = dict.fromkeys((*found, *self._exact.get(plain, ()), *more))
        return [other for other in every if other != uri]

    def others_of(self, tool: str) -> Sequence[str]:
        """The same of what policy.csv calls a tool: none of what is no resource."""
        if not tool.startswith(RESOURCE):
            return ()
        return [f"{RESOURCE}{other}" for other in self.others(tool.removeprefix(RESOURCE))]


def resources(tools: Names) -> Names:
    """The URIs in what policy.csv calls tools."""
    return Names(
        frozenset(name.removeprefix(RESOURCE) for name in tools.exact if name.startswith(RESOURCE)),
        tuple(
            prefix.removeprefix(RESOURCE)
            for prefix in tools.prefixes
            if prefix.startswith(RESOURCE)
        ),
    )


def meet(tools: Names, others: Names) -> bool:
    """Is a resource in both, however either spells it?"""
    return _plainly(tools).meets(_plainly(others))


@lru_cache(maxsize=16_384)
def _plainly(tools: Names) -> Names:
    uris = resources(tools)
    prefixes = (uri if _CUT.fullmatch(_decoded(uri)) else _plain(uri) for uri in uris.prefixes)
    return Names(frozenset(map(_plain, uris.exact)), tuple(prefixes))


def _plain(uri: str) -> str:
    """The one form all spellings have in common."""
    return _with_plain_host(_decoded(uri))


def _decoded(uri: str) -> str:
    """And without empty steps."""
    for _ in range(LAYERS):
        uri = unquote(uri)
    head = _HEAD.match(uri)
    end = head.end() if head else 0
    return uri[:end] + _EMPTY.sub("/", uri[end:])


def _with_plain_host(uri: str) -> str:
    """In small letters, without what may be left out (RFC 3986, 6.2.2 and 6.2.3): user information, the scheme's own
    port, the dot at the end. A file has no host (RFC 8089)."""
    found = None if _USUAL.match(uri) else _HOSTED.match(uri)
    if found is None:
        return uri
    scheme, authority = found[1].lower(), _AUTHORITY.fullmatch(found[2].lower())
    host, port = (authority[1], authority[2] or "") if authority else (found[2].lower(), "")
    if scheme == "file":
        host = port = ""
    elif scheme in _PORTS:
        number = port[1:].lstrip("0")
        # What is no number leads nowhere else.
        port = f":{number}" if number.isdecimal() and number != _PORTS[scheme] else ""
    return f"{scheme}://{host.removesuffix('.')}{port}{uri[found.end() :]}"
