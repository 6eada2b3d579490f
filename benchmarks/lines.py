"""What the two lines of a call cost, part by part: on the loop, in the writer's thread, in the evidence's.

    python -m benchmarks.lines [--batches 1 16 64] [--calls 6400] [--directory DIR]

Each part runs alone in this thread, so its CPU time (user and system) is its own; a call's intent, with its
arguments as a payload, is in one batch and its outcome in the next. `us` is the median batch's per call (per line
for the evidence), `least` that of the fastest twentieth, which other work on the machine blurs least; `steps` are
the functions called, Python's and C's (cProfile): a count that no neighbour changes.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.journal import call_record
from benchmarks.options import options
from gateway.app.clock import microseconds, new_call_id
from gateway.app.evidence import open_sequencer
from gateway.core import record
from gateway.core.record import Line
from gateway.journals import form
from gateway.journals.entry import Entry
from gateway.journals.protect import Protector
from gateway.journals.sqlitefile import SqliteFile
from gateway.values import replace

LOOK: Final = 800
"""Lines the evidence's thread finds at one look when 2,000 calls come in a second."""
SETTLED: Final = 3
"""The round whose steps are counted: what is made once is made by then."""
Work = Callable[[], object]


def lines(calls: int) -> list[tuple[Line, Line]]:
    """Everyday calls."""
    everyday, at = call_record(""), microseconds()
    return [
        (
            record.intent(replace(everyday, call_id=call_id), at),
            record.outcome(call_id, at, "ok", {"digest": "sha256:" + "0" * 64}),
        )
        for call_id in (new_call_id() for _ in range(calls))
    ]


def entries(some: Sequence[tuple[Line, Line]], run: str) -> list[list[Entry]]:
    """What is handed over: the first lines, then the last ones."""
    return [
        [entry(first, run) for first, _ in some],
        [entry(last, run) for _, last in some],
    ]


def entry(line: Line, run: str) -> Entry:
    """A line made ready for the thread."""
    body, payloads = form.write(line, run)
    return Entry(line, body, payloads)


def told(name: str, works: Iterable[Work], each: int) -> None:
    """One row: of works of one kind that stand for so many calls each, all done once."""
    took, counted = list[float](), 0
    for number, work in enumerate(works):
        began = time.thread_time_ns()
        if number == SETTLED:
            counted = steps(work)
        else:
            work()
            took.append((time.thread_time_ns() - began) / each / 1e3)
    took.sort()
    least, median = took[len(took) // 20], statistics.median(took)
    print(f"{name:<28} {median:>7.1f} {least:>7.1f} {counted / each:>7.1f}", flush=True)


def steps(work: Work) -> int:
    """How many functions it calls."""
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def on_the_loop(directory: Path, calls: int) -> None:
    """Making ids, arguments and lines ready, 64 calls at a time."""
    protector, run = Protector.open(directory), "20261124T000000-1-00000000"
    arguments = {"repo_path": "/srv/repositories/one", "max_count": 10}
    some = [lines(64) for _ in range(calls // 64)]
    told("ids", [lambda: [new_call_id() for _ in range(64)]] * len(some), 64)
    told("protect", [lambda: [protector.protect(arguments, {}) for _ in range(64)]] * len(some), 64)
    told("both lines made ready", [partial(entries, one, run) for one in some], 64)


def in_the_thread(directory: Path, batch: int, calls: int) -> None:
    """A batch of first lines, and the batch of their outcomes."""
    file = SqliteFile.open(directory / "journal.db", microseconds())

    def written(ready: list[list[Entry]]) -> None:
        for some in ready:
            results, _ = file.write(some)
            assert all(isinstance(result, int) for result in results)
            file.tidy()

    ready = [entries(lines(batch), file.run.id) for _ in range(calls // batch)]
    told(f"written, {batch} at a time", [partial(written, one) for one in ready], batch)
    file.close()


def in_evidence(directory: Path, looks: int) -> None:
    """A look at as many lines as come between two."""
    file, log = SqliteFile.open(directory / "journal.db", microseconds()), open_sequencer(directory)
    log.catch_up()

    def looked() -> Iterator[Work]:
        for _ in range(looks):
            for some in entries(lines(LOOK // 2), file.run.id):
                file.write(some)
            yield log.catch_up

    told("evidence, per line", looked(), LOOK)
    file.close()


def main() -> None:
    given = options(__doc__, batches=[1, 16, 64], calls=6_400, directory=Path.cwd())
    gc.freeze()
    print(f"{'part':<28} {'us':>7} {'least':>7} {'steps':>7}")
    with tempfile.TemporaryDirectory(dir=given.directory) as place:
        on_the_loop(Path(place), given.calls)
        for batch in given.batches:
            in_the_thread(Path(place), batch, given.calls)
        in_evidence(Path(place), given.calls * 2 // LOOK)


if __name__ == "__main__":
    main()
