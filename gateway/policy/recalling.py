"""The calls of a journal, page by page; what is kept apart of them is opened only where it plays a part.

It knows lines as a reader gives them, and no store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from gateway.core.written import Unseal
from gateway.policy.recalled import Beside, Recalled, recall
from gateway.policy.rehearse import Rehearsal
from gateway.ports import EventRow
from gateway.values import Value

Pages = Iterable[Sequence[EventRow]]
Open = Callable[[Sequence[EventRow]], Sequence[EventRow]]
"""The same lines, with their payloads."""


class Recalling(Value):
    """Where calls are read from, and how they are opened."""

    pages: Pages
    opened: Open
    unseal: Unseal | None = None

    def asked_of(self, rehearsal: Rehearsal) -> Iterator[tuple[EventRow, Recalled | Beside]]:
        """Every call with its first line, in the order of the journal."""
        for page in self.pages:
            found = {line.seq: (line, recall(line, self.unseal)) for line in page}
            closed = [line for line, call in found.values() if _wants(rehearsal, call)]
            for line in self.opened(closed) if closed else ():
                found[line.seq] = (line, recall(line, self.unseal))
            for line, call in found.values():
                if call is not None:
                    yield line, call


def _wants(rehearsal: Rehearsal, call: Recalled | Beside | None) -> bool:
    return isinstance(call, Recalled) and call.closed and rehearsal.wants_arguments(call)
