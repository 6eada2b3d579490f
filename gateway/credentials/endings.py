"""Whether a text may hold one of very many byte strings, told by their last bytes in a few looks at it. It knows
nothing of secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import re2

ENDING: Final = 24
"""Bytes of a form, its last, that it is looked for by before it is looked for whole: the patterns stay small
however long secrets are, and tokens of one issuer differ at their ends."""
TOGETHER: Final = 256
"""Endings with which a group is full."""
MOST: Final = 512
"""Endings that make one pattern: a group has more only of a name that has very many."""


class Endings:
    """Of forms that are given and dropped by name. Those of one name are in one group, and only the patterns of a group
    that changed are made anew: there are hundreds of names where credentials are short."""

    def __init__(self) -> None:
        self._groups: list[_Group] = []
        self._of: dict[str, _Group] = {}

    def put(self, name: str, forms: Iterable[bytes]) -> None:
        """Look for these, and no more for what this name had."""
        group = self._of.get(name) or self._with_room()
        self._of[name] = group
        group.ends[name] = frozenset(form[-ENDING:] for form in forms)
        group.made = None

    def drop(self, name: str) -> None:
        """Look no more for what this name has."""
        group = self._of.pop(name)
        del group.ends[name]
        group.made = None
        if not group.ends:
            self._groups.remove(group)

    def may_be_in(self, raw: bytes) -> bool:
        """Is one of them there?"""
        return any(one.search(raw) for group in self._groups for one in group.patterns())

    def _with_room(self) -> _Group:
        for group in self._groups:
            if sum(map(len, group.ends.values())) < TOGETHER:
                return group
        self._groups.append(_Group())
        return self._groups[-1]


class _Group:
    def __init__(self) -> None:
        self.ends: dict[str, frozenset[bytes]] = {}
        self.made: list[Any] | None = None

    def patterns(self) -> list[Any]:
        if self.made is None:
            ends = sorted(frozenset[bytes]().union(*self.ends.values()))
            some = (ends[start : start + MOST] for start in range(0, len(ends), MOST))
            self.made = [pattern(b"|".join(map(_literal, each))) for each in some]
        return self.made


def pattern(source: bytes) -> Any:
    """Over bytes: a byte is itself and no character of its number."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(source, options)


def _literal(form: bytes) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in form)
