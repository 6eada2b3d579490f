"""`bulkhead serve` on a journal that takes every line at its word: what the rest of a call costs.

python -m benchmarks.unjournaled CONFIG
"""

from __future__ import annotations

import sys

from gateway.__main__ import main
from gateway.core.record import Line
from gateway.journals.entry import Entry
from gateway.journals.sqlite import SqliteJournal


def append(journal: SqliteJournal, line: Line, claims: object = ()) -> Entry:
    """Nothing is written."""
    entry = Entry(line, "")
    entry.settle(1)
    return entry


if __name__ == "__main__":
    SqliteJournal.append = append  # type: ignore[method-assign, assignment]
    sys.argv = ["bulkhead", "serve", "--config", sys.argv[1]]
    main()
