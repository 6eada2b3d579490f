"""Tasks that are undone unless somebody confirms them in time (NETCONF's and gNMI's commit-confirmed).

One small file per task in `<state>/tasks/`, durable before a command says that it is done, so a promise
outlives every process. It knows files, and undoes nothing itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, takewhile
from pathlib import Path
from typing import Final, Literal

from gateway.errors import Misconfigured, Refused, Where
from gateway.files import whole
from gateway.files.alone import taken
from gateway.files.listing import named
from gateway.files.private import make_private
from gateway.reasons import Reason
from gateway.values import Value, as_plain, from_plain, replace

DIRECTORY: Final = "tasks"
SECONDS: Final = 600
SURE: Final = 1_000_000_000
"""Nanoseconds after which a further change to a directory is at a time of its own."""
SETTLED: Final = ("confirmed", "undone")
KEPT: Final = 30 * 86_400_000_000
"""Microseconds after its deadline for which a task that is settled is remembered."""
AT_ONCE: Final = 20_000
"""Tasks that are forgotten in one go."""
LATE_SECONDS: Final = 3_600
"""A deadline that was missed by more, because nobody was there to keep it, is put to a person."""

Stand = Literal["open", "confirmed", "undone", "asks"]


class Promise(Value):
    """A task under a deadline. Times: microseconds since the epoch."""

    task: str
    operator: str
    """Whom the policy is asked about when it is undone."""
    begun_at: int
    deadline: int
    stand: Stand = "open"
    why: str = ""
    tenant: str = ""
    """Whose task it is; empty: whosever, as long as there is one of its name in one tenant alone."""


class Looked(Value):
    """What was found at one look."""

    promises: tuple[Promise, ...]
    """By deadline."""
    unreadable: tuple[Misconfigured, ...]
    """Of each file that is no promise, where it is. They keep no other from its deadline."""

    def overdue(self, now: int) -> list[Promise]:
        """Open, and their time is over."""
        return [each for each in self.promises if each.stand == "open" and each.deadline <= now]


class Deadlines:
    """The promises of one installation."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / DIRECTORY
        self._known: dict[tuple[Path, int, int], Promise] = {}
        """By file as it was at the last look: there is one of every task of a month."""
        self._looked = Looked((), ())
        self._as_of: tuple[int, int] | None = None
        """Of their directory, when that was found; None: it is to be found again."""

    def begin(self, task: str, operator: str, now: int, seconds: int, tenant: str = "") -> Promise:
        """From now on the task has so long. Raises `Refused` when it has begun already."""
        with self._locked(task, tenant):
            there = self.find(task, tenant)
            if there is not None and there.stand in ("open", "asks"):
                raise Refused(Reason.UNKNOWN_TARGET, f"task {task} has begun: it is {there.stand}")
            until = now + seconds * 1_000_000
            return self._save(Promise(task, operator, now, until, tenant=tenant))

    def confirm(self, task: str, now: int, tenant: str = "") -> Promise:
        """It stays. Raises `Refused` when there is nothing to confirm, or the time is over."""
        with self._locked(task, tenant):
            return self._save(replace(self._open(task, now, tenant), stand="confirmed"))

    def extend(self, task: str, now: int, seconds: int, tenant: str = "") -> Promise:
        """So long from now. Raises `Refused` like `confirm`."""
        until = now + seconds * 1_000_000
        with self._locked(task, tenant):
            return self._save(replace(self._open(task, now, tenant), deadline=until))

    def fail(self, task: str, operator: str, now: int, tenant: str = "") -> Promise:
        """Its time is over now. Of a task that nobody began, all calls are meant. Raises `Refused` while it is
        being undone."""
        with self._locked(task, tenant):
            there = self.find(task, tenant)
            if there is None or there.stand not in ("open", "asks"):
                return self._save(Promise(task, operator, 0, now, tenant=tenant))
            return self._save(replace(there, stand="open", why="", deadline=now))

    def settle(self, promise: Promise, stand: Stand, why: str = "") -> Promise:
        """What became of it. For who holds it by `held`."""
        return self._save(replace(promise, stand=stand, why=why))

    def find(self, task: str, tenant: str = "") -> Promise | None:
        """The task's promise, whatever became of it. Raises `Misconfigured` for a file that is none."""
        path = self._path(task, tenant)
        return _read(path) if path.exists() else None

    def look(self) -> Looked:
        """All of them. They are gone through only where one was written since, each in the place of the one before."""
        now = self._unchanged()
        if now is None or now != self._as_of:
            self._looked = self._look()
            self._as_of = None if self._looked.unreadable else now
        return self._looked

    def forget(self, now: int) -> None:
        """Some of those that were settled long ago, as of the last look: there is no end to them, and nobody asks."""
        over = takewhile(lambda each: each.deadline + KEPT < now, self._looked.promises)
        for each in islice((each for each in over if each.stand in SETTLED), AT_ONCE):
            with self._lock(each.task, each.tenant) as got:
                if got and self.find(each.task, each.tenant) in (each, None):
                    path = self._path(each.task, each.tenant)
                    path.unlink(missing_ok=True)
                    path.with_suffix(".lock").unlink()

    def _unchanged(self) -> tuple[int, int] | None:
        """Which directory it is and since when it is so; None where that cannot be told yet."""
        try:
            about = self._directory.stat()
        except OSError:
            return None
        is_sure = about.st_mtime_ns + SURE < time.time_ns()
        return (about.st_ino, about.st_mtime_ns) if is_sure else None

    def _look(self) -> Looked:
        before, self._known, unreadable = self._known, {}, list[Misconfigured]()
        for path in named(self._directory, ".json"):
            try:
                about = path.stat()
                file = path, about.st_ino, about.st_mtime_ns
                self._known[file] = before.get(file) or _read(path)
            except OSError as error:
                unreadable.append(_no_promise(path, error))
            except Misconfigured as error:
                unreadable.append(error)
        found = sorted(self._known.values(), key=lambda promise: promise.deadline)
        return Looked(tuple(found), tuple(unreadable))

    @contextmanager
    def held(self, task: str, tenant: str = "") -> Iterator[Promise | None]:
        """The promise, while nobody else confirms, extends or keeps it; None when somebody does, or
        there is none. Never waits."""
        with self._lock(task, tenant) as got:
            yield self.find(task, tenant) if got else None

    def _open(self, task: str, now: int, tenant: str) -> Promise:
        promise = self.find(task, tenant)
        if promise is None or promise.stand != "open":
            said = "never begun" if promise is None else promise.stand
            raise Refused(Reason.UNKNOWN_TARGET, f"task {task} is not open: {said}")
        if promise.deadline <= now:
            raise Refused(Reason.UNKNOWN_TARGET, f"the time of task {task} is over")
        return promise

    @contextmanager
    def _locked(self, task: str, tenant: str) -> Iterator[None]:
        with self._lock(task, tenant) as got:
            if not got:
                raise Refused(Reason.OVERLOADED, f"task {task} is being undone or changed now")
            yield

    @contextmanager
    def _lock(self, task: str, tenant: str) -> Iterator[bool]:
        make_private(self._directory)
        held = taken(self._path(task, tenant).with_suffix(".lock"))
        try:
            yield held is not None
        finally:
            if held is not None:
                os.close(held)

    def _path(self, task: str, tenant: str) -> Path:
        """A task's name may hold anything; a file's may not."""
        name = f"{tenant}\0{task}" if tenant else task
        return self._directory / f"{hashlib.sha256(name.encode()).hexdigest()[:40]}.json"

    def _save(self, promise: Promise) -> Promise:
        whole.replace(
            self._path(promise.task, promise.tenant), json.dumps(as_plain(promise)).encode()
        )
        return promise


def _read(path: Path) -> Promise:
    try:
        if not path.is_file():  # a pipe would be waited for, for ever
            raise ValueError("no ordinary file")
        return from_plain(Promise, json.loads(path.read_text()))
    except (OSError, ValueError, RecursionError) as error:
        raise _no_promise(path, error) from None


def _no_promise(path: Path, error: Exception) -> Misconfigured:
    return Misconfigured(f"not a task's promise: {error}", Where(str(path)))
