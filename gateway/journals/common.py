"""What one record after another has in common, as JSON made once: all of it but what is a call's own. Bounded; what
is too long to be met again is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Final

from gateway.core.model import CallRecord, Own

OWN: Final = frozenset({"call_id", *Own.__struct_fields__})
FIELDS: Final = CallRecord.__struct_fields__
COMMON: Final = tuple(name for name in FIELDS if name not in OWN)
Texts = tuple[str, str, str]

MOST: Final = 1_024
LONGEST: Final = 4_096

_common: Final[Callable[[CallRecord], tuple[str, ...]]] = attrgetter(*COMMON)
_DIGEST, _TRACE = (
    sum(name in COMMON for name in FIELDS[: FIELDS.index(own)])
    for own in ("arguments_digest", "trace")
)


class Common:
    """The members before a record's digest, between that and its trace, and after its session."""

    def __init__(self, json: Callable[[Mapping[str, str]], str]) -> None:
        self._json = json
        self._again = lru_cache(MOST)(self._member)
        """Of a record that names another call, as of the gateway's own reads, all but that comes again."""
        self._known: dict[tuple[str, ...], Texts] = {}

    def of(self, record: CallRecord) -> Texts:
        """Each as `,"name":"value"`, ..."""
        values = _common(record)
        known = self._known.get(values)
        return self._made(values) if known is None else known

    def _made(self, values: tuple[str, ...]) -> Texts:
        short = sum(map(len, values)) <= LONGEST
        said = [*map(self._again if short else self._member, COMMON, values)]
        made = "".join(said[:_DIGEST]), "".join(said[_DIGEST:_TRACE]), "".join(said[_TRACE:])
        if sum(map(len, made)) <= LONGEST:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[values] = made
        return made

    def _member(self, name: str, value: str) -> str:
        return "," + self._json({name: value})[1:-1]
