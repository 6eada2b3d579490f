"""Finds and opens the payloads of a SQLite journal's lines. What was forgotten is not there, and no error.

The key is looked for when the first payload is met: a journal can be read without it, as far as that goes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from gateway.core import apart
from gateway.core.apart import Class
from gateway.core.model import JsonObject
from gateway.errors import Misconfigured
from gateway.journals.payloads import PAYLOADS, Keeper, Kept
from gateway.journals.protect import Protector
from gateway.journals.vault import Vault

log = logging.getLogger("bulkhead.journal")

HAS: Final = f'"{apart.MEMBER}":'.encode()
"""No line without this has any."""
AT_ONCE: Final = 500
"""Numbers in one question."""

_STRAY: Final = (
    f"SELECT p.id / {PAYLOADS} AS seq FROM payload AS p LEFT JOIN event AS e ON e.seq = p.id / {PAYLOADS}"
    f" WHERE e.seq IS NULL OR p.id % {PAYLOADS} >= {len(apart.CLASSES)} OR instr(e.body, ?) = 0 ORDER BY p.id"
)

Query = Callable[[str, tuple[Any, ...]], list[dict[str, Any]]]


class PayloadReader:
    """Of one journal file."""

    def __init__(self, journal: Path, query: Query) -> None:
        self._journal = journal
        self._query = query

    def of(
        self, lines: Iterable[tuple[int, bytes]], classes: Sequence[Class] = apart.CLASSES
    ) -> Mapping[int, Kept]:
        """What is still kept of these lines (number, bytes). Raises `JournalError`."""
        kinds = [apart.CLASSES.index(kind) for kind in classes]
        having = {seq for seq, body in lines if HAS in body}
        numbers = sorted(seq * PAYLOADS + kind for seq in having for kind in kinds)
        found: dict[int, Kept] = {}
        for at in range(0, len(numbers), AT_ONCE):
            some = tuple(numbers[at : at + AT_ONCE])
            marks = ",".join("?" * len(some))
            rows = self._query(f"SELECT * FROM payload WHERE id IN ({marks})", some)
            found |= {row["id"]: Kept(row["ref"], row["key"], row["data"]) for row in rows}
        return found

    def said(self, seq: int, body: bytes, kept: Mapping[int, Kept]) -> JsonObject:
        """The line, with what is kept of it."""
        return apart.forgotten(json.loads(body), self.opened(seq, body, kept))

    def opened(self, seq: int, body: bytes, kept: Mapping[int, Kept]) -> dict[Class, JsonObject]:
        """A line's payloads that are in `kept` and can be opened here."""
        found: dict[Class, JsonObject] = {}
        for kind, said in self._tried(seq, body, kept):
            if isinstance(said, ValueError):
                log.warning("line %d: %s: %s", seq, kind, said)
            else:
                found[kind] = said
        return found

    def unfit(self, lines: Sequence[tuple[int, bytes]]) -> Iterator[str]:
        """What is kept of these lines and is not what they committed to, in words. Raises `JournalError`."""
        kept = self.of(lines)
        for seq, body in lines:
            for kind, said in self._tried(seq, body, kept):
                if isinstance(said, ValueError):
                    yield f"line {seq}: {kind}: {said}"

    def stray(self) -> Iterator[str]:
        """What is kept and no line has ever committed to, or nobody can say of, in words. Raises `JournalError`."""
        if self._keys is None and self._query("SELECT id FROM payload LIMIT 1", ()):
            yield "payloads were not looked at: their key (secrets/journal.key) cannot be read"
        for row in self._query(_STRAY, (HAS,)):
            yield f"line {row['seq']}: a payload that no line speaks of"

    def _tried(
        self, seq: int, body: bytes, kept: Mapping[int, Kept]
    ) -> Iterator[tuple[Class, JsonObject | ValueError]]:
        """What is in `kept` of a line, or why it cannot be opened; nothing where there is no key."""
        for number, kind in enumerate(apart.CLASSES):
            one = kept.get(seq * PAYLOADS + number)
            if one is not None and self._keys is not None:
                committed = json.loads(body).get(apart.MEMBER, {}).get(kind, "")
                keeper, protector = self._keys
                try:
                    yield kind, _read(keeper.open(one, committed), protector)
                except ValueError as error:
                    yield kind, error

    @cached_property
    def _keys(self) -> tuple[Keeper, Protector] | None:
        try:
            vault = Vault.open(self._journal.parent / "secrets", make=False)
        except Misconfigured as error:
            log.warning("payloads stay closed: %s", error)
            return None
        return Keeper(vault), Protector(vault)


def _read(payload: bytes, protector: Protector) -> JsonObject:
    """With the digest of arguments that were kept as they came."""
    said: JsonObject = json.loads(payload)
    record = said.get("record")
    if record and not record["arguments_digest"]:
        digest = protector.digest(record["arguments"])
        return {**said, "record": {**record, "arguments_digest": digest}}
    return said
