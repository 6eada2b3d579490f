"""The one thread that writes: takes whatever is waiting, writes it as one batch, reports back once.

Lines go when somebody waits for one, all that are queued; whoever waits never waits for a clock. What one turn of
the event loop brings goes to the thread together, with what the next few bring while each brings more: a commit
costs the same for one line as for many. While the disk is busy with one batch, the next gathers by itself (group
commit). A line nobody waits for goes along, or by itself after `UNASKED`. Other work can join a batch: it is done
in the lines' transaction, after them. It knows no SQL and not what lines mean.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from gateway.errors import JournalError, Refused
from gateway.journals.bell import Bell, Inbox
from gateway.journals.entry import Entry

log = logging.getLogger("bulkhead.journal")

MAX_BATCH: Final = 1_024
"""Lines from which on a batch takes no more of what is handed over."""

Results = Sequence[int | str | Refused]
Report = Callable[[Sequence[Entry], Results, str | None], None]
"""Called on the loop: a batch, per line its sequence number or its refusal, and why all failed if all did."""

TURNS: Final = 4
"""Further turns of the loop that lines wait at most, and only while each brings more."""
ENOUGH: Final = 64
"""Lines that wait for no further turn."""
ONE: Final = 2
"""Lines of one call, or its line and its lease."""
UNASKED: Final = 0.005
"""Seconds a line stays with the loop at most while nobody waits for it or for another one: so much of what was only
queued can be lost with the process. A call that begins and ends within it costs one commit, not two."""

T = TypeVar("T")
Work = Callable[[Any], Any]
"""Done with the file's connection."""


class Joined:
    """Work that is done with a batch, and who is told what came of it."""

    __slots__ = ("done", "work")

    def __init__(self, work: Work, done: asyncio.Future[Any]) -> None:
        self.work = work
        self.done = done


class File(Protocol):
    """What the thread writes to. Called from that thread only."""

    def write(
        self, entries: Sequence[Entry], works: Sequence[Work]
    ) -> tuple[Results, Sequence[object]]:
        """Lines first, durable on return; then the works, and what each of them made. All in one transaction:
        raises `JournalError` when nothing of it was written."""
        ...

    def tidy(self) -> None:
        """After each batch, when those who wait have been told. Raises `JournalError`."""
        ...

    def close(self) -> None: ...


class Writer:
    """Owns the thread and the file. Its public methods belong to the event loop."""

    def __init__(self, file: File, report: Report) -> None:
        self._file = file
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._turn: list[Entry | Joined] = []
        self._since = 0.0
        """When the first of them came, by the loop's clock."""
        self._looking = False
        self._alone = False
        """The last batch was of one call, so the next is likely to be: nothing is gathered for it."""
        self._alarm: asyncio.TimerHandle | None = None
        self._queue = Inbox[list[Entry | Joined] | Callable[[], None] | None]()
        self._told = deque[tuple[Callable[..., None], tuple[object, ...]]]()
        self._bell = Bell()
        self._loop.add_reader(self._bell.ear, self._hear)
        # A daemon: whoever forgets to close must not hang, and no unwritten line was ever promised.
        threading.Thread(target=self._run, name="journal-writer", daemon=True).start()

    def put(self, one: Entry | Joined) -> None:
        """Queue one line, which knows this writer, or work."""
        if not self._turn:
            self._since = self._loop.time()
            if self._alarm is None:
                self._alarm = self._loop.call_later(UNASKED, self._late)
        self._turn.append(one)

    def join(self, work: Callable[[Any], T], hurried: bool) -> asyncio.Future[T]:
        """Queue work for the batch it gets into: what it makes, or `JournalError`. `hurried`: somebody waits."""
        done: asyncio.Future[T] = self._loop.create_future()
        self.put(Joined(work, done))
        if hurried:
            self.asked()
        return done

    def expect(self) -> None:
        """The next turn of the loop will bring more: whoever waits, waits for that."""
        self._alone = False

    def asked(self) -> None:
        """Somebody waits: all that is queued goes."""
        if self._alone:
            self.hurry()
        elif self._turn and not self._looking:
            self._looking = True
            self._loop.call_soon(self._look, len(self._turn), TURNS)

    def _look(self, had: int, turns: int) -> None:
        """Once in each turn: the lines go when it has brought no more, or enough have come. One that came
        alone goes at once."""
        have = len(self._turn)
        if turns and had < have < ENOUGH:
            self._loop.call_soon(self._look, have, turns - 1)
        else:
            self._looking = False
            self.hurry()

    def _late(self) -> None:
        """One alarm serves many lines: those it was set for have mostly gone, so it is set again for the others."""
        self._alarm = None
        if not self._turn:
            return
        left = self._since + UNASKED - self._loop.time()
        if left > 0:
            self._alarm = self._loop.call_later(left, self._late)
        else:
            self.hurry()

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` returns, called in the thread after all that is queued. Raises its `JournalError` or
        `Refused`."""
        done: asyncio.Future[T] = self._loop.create_future()
        self.hurry()
        self._queue.put(lambda: self._do(work, done))
        return await done

    def post(self, work: Callable[[], object]) -> None:
        """The same; nobody waits, and a failure is logged."""
        self.hurry()
        self._queue.put(lambda: self._attempt(work))

    async def close(self) -> None:
        """Write what is queued, close the file, end the thread."""
        self.hurry()
        self._queue.put(None)
        await asyncio.shield(self._closed)

    def hurry(self) -> None:
        """All that is queued goes now."""
        if self._turn:
            turn, self._turn = self._turn, []
            self._queue.put(turn)

    # From here on: the thread.

    def _run(self) -> None:
        while (upcoming := self._queue.get()) is not None:
            if isinstance(upcoming, list):
                batch = self._with_more(upcoming)
                for start in range(0, len(batch), MAX_BATCH):
                    self._write(batch[start : start + MAX_BATCH])
            else:
                upcoming()
        self._file.close()
        self._on_loop(self._end)

    def _with_more(self, batch: list[Entry | Joined]) -> list[Entry | Joined]:
        """And all that waits behind it by now, up to a job or the end."""
        while len(batch) < MAX_BATCH and isinstance(more := self._queue.first, list):
            batch += more
            self._queue.get()
        return batch

    def _write(self, batch: Sequence[Entry | Joined]) -> None:
        lines = [one for one in batch if isinstance(one, Entry)]
        only_lines = len(lines) == len(batch)
        joined = [] if only_lines else [one for one in batch if isinstance(one, Joined)]
        results: Results
        made: Sequence[object]
        try:
            results, made = self._file.write(lines, [each.work for each in joined])
            broken = None
        except JournalError as error:
            broken = str(error)
            results, made = [broken] * len(lines), [error] * len(joined)
        except Exception as bug:
            # The last line of defence: a thread that died would leave every caller waiting for ever.
            log.exception("the journal's writer failed")
            said, broken = f"{type(bug).__name__}: {bug}", None
            results, made = [said] * len(lines), [JournalError(said)] * len(joined)
        self._on_loop(self._tell, lines, results, broken, joined, made)
        self._attempt(self._file.tidy)

    def _tell(
        self,
        lines: Sequence[Entry],
        results: Results,
        broken: str | None,
        joined: Sequence[Joined],
        made: Sequence[object],
    ) -> None:
        """On the loop."""
        self._alone = len(lines) + len(joined) <= ONE
        self._report(lines, results, broken)
        for one, it in zip(joined, made, strict=True):
            if isinstance(it, JournalError):
                _reject(one.done, it)
            else:
                _resolve(one.done, it)

    def _attempt(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            log.warning("the journal could not do a thing nobody waits for: %s", error)

    def _do(self, work: Callable[[], T], done: asyncio.Future[T]) -> None:
        try:
            self._on_loop(_resolve, done, work())
        except (JournalError, Refused) as error:
            self._on_loop(_reject, done, error)
        except Exception as bug:
            log.exception("the journal's writer failed")
            self._on_loop(_reject, done, JournalError(f"{type(bug).__name__}: {bug}"))

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        self._told.append((call, arguments))
        self._bell.ring()

    # And from here on: the loop again.

    def _hear(self) -> None:
        """One thing for each time the bell was rung."""
        self._bell.wait()
        call, arguments = self._told.popleft()
        call(*arguments)

    def _end(self) -> None:
        self._queue.close()
        self._loop.remove_reader(self._bell.ear)
        self._bell.close()
        _resolve(self._closed, None)


def _resolve(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _reject(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
