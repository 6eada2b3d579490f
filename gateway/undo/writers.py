"""Who wrote where, and when, as the journal's intents have it: read once, line by line, and kept up with.

A rollback asks for the later writers of each of its calls; looking through the journal anew for each
would take the square of their number. Of what is sealed it opens only the resources of calls whose
arguments are secret. Of a write whose images were forgotten it says the widest: all of its server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from gateway.core.act import FOR
from gateway.core.record import State
from gateway.core.reverse import forgotten
from gateway.core.written import MEMBER, Unseal
from gateway.ports import JournalReader
from gateway.undo.overlapping import Numbered
from gateway.values import Value

PAGE: Final = 2_000


class Wrote(Value):
    """A call that was to be forwarded and is not known to only look. No keys: it held no lease."""

    seq: int
    call_id: str
    epoch: int
    keys: tuple[str, ...]
    forced: bool = False
    """It stands for what a forced undo overwrote."""


class Writers:
    """The writers since some line of one journal."""

    def __init__(self, reader: JournalReader, unseal: Unseal) -> None:
        self._reader = reader
        self._unseal = unseal
        self._start: int | None = None
        self._after = 0
        self._wrote: list[Wrote] = []
        self._steps: dict[str, tuple[int, str]] = {}

    def last_step(self, call_id: str, seq: int) -> tuple[int, str]:
        """The latest step an undo has begun for this call, whose first line is `seq`: its line, and the undo; 0 and ""
        when none has. Raises as `since`."""
        self.since(seq)
        return self._steps.get(call_id, (0, ""))

    def since(self, seq: int) -> Sequence[Wrote]:
        """All that the journal holds now after this line, in no order, and some before it; each time those of the
        last time and then more. Raises `JournalError`, and `ValueError` when something sealed cannot be opened here."""
        if self._start is None:
            self._start = self._after = seq
        if seq < self._start:  # a plan asks about its latest call first
            self._take_in(seq, self._start)
            self._start = seq
        self._after = self._take_in(self._after)
        return self._wrote

    def _take_in(self, after: int, last: int = sys.maxsize) -> int:
        """The lines after this one, up to `last`: the number of the latest."""
        while after < last and (lines := self._reader.events(after, min(PAGE, last - after))):
            for line in (line for line in lines if line.seq <= last):
                document = json.loads(line.body) if line.kind is State.INTENT else None
                if document is not None:
                    self._note_step(line.seq, document)
                if document is not None and _may_write(document):
                    forced = (document.get("record") or {}).get("where", "").startswith(FOR)
                    self._wrote.append(self._wrote_by(line.seq, line.call_id, forced))
            after = lines[-1].seq
        return after

    def _note_step(self, seq: int, document: dict[str, Any]) -> None:
        of = document["body"].get("undo_of")
        if isinstance(of, str) and "step" in document["body"]:
            self._steps[of] = max(self._steps.get(of, (0, "")), (seq, document["record"]["task"]))

    def _wrote_by(self, seq: int, call_id: str, forced: bool) -> Wrote:
        lines = self._reader.lines(call_id)
        [line] = [line for line in lines if line.seq == seq]
        if "images" in line.lost:
            server = lines[0].said["record"]["server"]
            leases = [(lease.key, lease.epoch) for lease in forgotten(server).leases]
        else:
            undo = line.said["body"].get(MEMBER)
            leases = self._leases(undo) if isinstance(undo, dict) else []
        epoch = max((epoch for _, epoch in leases), default=0)
        return Wrote(seq, call_id, epoch, tuple(key for key, _ in leases), forced)

    def _leases(self, undo: dict[str, Any]) -> list[tuple[str, int]]:
        """Where the resources are named after secret arguments they are kept with the pre-image."""
        if undo["leases"] or "kept" not in undo:
            return list(undo["leases"])
        return list(self._unseal(undo["kept"]).get("leases", ()))


class Others:
    """Of these writers those that somebody asks for, by where they wrote."""

    def __init__(self, writers: Writers, without: Callable[[str], bool]) -> None:
        """`without`: by their ids, calls that nobody asks for. A rollback does not ask for its own: thousands of
        them may have written one resource."""
        self._writers = writers
        self._without = without
        self._known = 0
        self._wrote = Numbered[Wrote]()
        self._forced = Numbered[Wrote]()
        self.left_at: dict[str, tuple[str, ...]] = {}
        """Of those that are settled, where they left something: each may be asked about once for every call."""

    def since(self, seq: int, keys: Iterable[str], forced: bool = False) -> Iterator[Wrote]:
        """Those that the journal holds now after this line and that wrote in one of these places, the latest first.
        `forced`: of these alone that are. Raises as `Writers.since`."""
        wrote = self._writers.since(seq)
        for each in wrote[self._known :]:
            if not self._without(each.call_id):
                self._wrote.add(each.keys, each.seq, each)
                self._forced.add(each.keys if each.forced else (), each.seq, each)
        self._known = len(wrote)
        return (self._forced if forced else self._wrote).find(keys, seq)


def _may_write(document: dict[str, Any]) -> bool:
    """An inverse call holds no leases of its own: it wrote under those of the undo."""
    record = document.get("record")  # none on the intent of a call that was held: it writes
    return not record or not (
        record["effect"] == "read"
        or record["method"].startswith("bulkhead/")
        or "undo_of" in document["body"]
    )
