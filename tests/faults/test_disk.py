"""A running gateway whose disk is full, may not grow or turns read-only: it refuses, forwards nothing, recovers."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import httpx
import psutil
from anyio.from_thread import start_blocking_portal

from gateway.core.model import Endpoint
from gateway.core.record import State
from gateway.journals.sqlite import SqliteReader
from gateway.ports import CallFilter
from tests.faults.recording import POLICY, TIERS, Recording, recording
from tests.journals.test_sqlite_disk import small_disk
from tests.system.home import Home, Serving
from tests.system.raw import Ask, over_http

SECONDS = 60
BIG = "x" * 3_000
"""An argument that no leftover of a page has room for."""


@dataclass(frozen=True)
class Stage:
    """A gateway with its journal on a disk of its own, and the tool server that remembers."""

    serving: Serving
    ledger: Recording
    state: Path

    @property
    def home(self) -> Home:
        return self.serving.home


@contextmanager
def stage(root: Path, state: Path) -> Iterator[Stage]:
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(recording()) as (url, ledger):
            home = Home.make(
                root, {"ledger": {"url": url}}, policy=POLICY, tiers=TIERS, state=str(state)
            )
            home.approve("ledger")
            with home.serving() as serving:
                yield Stage(serving, ledger, state)


class Caller:
    """Calls with ids of its own, and what came of each."""

    def __init__(self, ask: Ask, name: str) -> None:
        self._ask = ask
        self._name = name
        self.done: list[str] = []
        self.refused: list[str] = []
        """Not done, and nothing was forwarded: so the gateway said."""
        self.unknown: list[str] = []
        """Forwarded, the gateway said, and what came of it is not on record."""

    async def call(self, tool: str, text: str = "") -> bool:
        """Whether it was done."""
        id = f"{self._name}-{len(self.done) + len(self.refused) + len(self.unknown)}"
        params = {"name": f"ledger__{tool}", "arguments": {"id": id, "text": text}}
        answer = await self._ask("tools/call", params)
        if "result" in answer:
            self.done.append(id)
            return True
        reason = answer["error"]["data"]["reason"]
        {"journal_unavailable": self.refused, "outcome_unknown": self.unknown}[reason].append(id)
        return False

    async def until(self, done: bool, tool: str, text: str = "") -> None:
        """Calls until one is, or is not, done."""
        while await self.call(tool, text) is not done:
            await anyio.sleep(0.01)


@dataclass(frozen=True)
class Told:
    """A story of one disk: what agents were told before, during and after."""

    before: Caller
    spoilt: Caller
    after: Caller
    forwarded: list[str]
    """Ids that reached the tool server while the disk was known to be spoilt."""
    ready: list[int]
    """What /readyz said before, during and after."""


async def through(
    stage: Stage,
    spoil: Callable[[], None],
    mend: Callable[[], None],
    then: Callable[[], None] = lambda: None,
    still: Callable[[], None] = lambda: None,
) -> Told:
    """Calls on a sound disk, on a spoilt one, and on a mended one. `then` spoils it in another way, `still` keeps
    it as it is."""
    url, token = f"{stage.home.origin}/mcp", stage.home.mint("tester", Endpoint("all"))
    with anyio.fail_after(SECONDS):
        async with over_http(url, token, "2026-07-28") as ask:
            before, spoilt, after = (Caller(ask, name) for name in ("before", "spoilt", "after"))
            for tool in ("write", "read", "write"):
                await before.until(True, tool)
            ready = [status(stage)]
            for _ in range(3):  # a journal that gives up its connection gives room back
                spoil()
                await before.until(False, "write", BIG)
            then()
            reached = len(stage.ledger.received)
            for _ in range(20):
                still()
                for tool in ("read", "write", "forbidden"):
                    await spoilt.call(tool, BIG)
                await anyio.sleep(0.02)  # so that some of them are the journal's own attempts
            ready.append(status(stage))
            forwarded = [id for _, id in stage.ledger.received[reached:]]
            mend()
            for tool in ("write", "read"):
                await after.until(True, tool)
            ready.append(status(stage))
    return Told(before, spoilt, after, forwarded, ready)


def status(stage: Stage) -> int:
    return httpx.get(f"{stage.home.origin}/readyz").status_code


def check(stage: Stage, told: Told) -> None:
    """Refused, nothing forwarded, nothing lost, and at work again."""
    with closing(SqliteReader(stage.state / "journal.db")) as reader:
        rows = reader.calls(CallFilter(), 1_000_000)
    states = {row.record.arguments["id"]: row.state for row in rows}
    assert (len(told.spoilt.refused), told.spoilt.done, told.spoilt.unknown) == (60, [], [])
    assert told.forwarded == []
    assert told.ready == [200, 503, 200]
    assert set(stage.ledger.ids("write")).isdisjoint(told.before.refused)
    for caller in (told.before, told.after):
        assert {states[id] for id in caller.done} == {State.APPLIED}
    # A call under way when the disk failed is no longer so once there is room.
    assert State.INTENT not in states.values()
    assert set(stage.ledger.ids("write")) <= states.keys()


async def test_a_full_disk_refuses_calls_and_forwards_none(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk, stage(tmp_path / "home", disk) as its:
        ballast = disk / "ballast"
        full = partial(fill, ballast)
        told = await through(its, full, ballast.unlink, still=full)
        check(its, told)
        log = (its.home.root / "serve.log").read_text()
    assert "disk is full" in log
    assert "Traceback" not in log


def fill(ballast: Path) -> None:
    """Takes all the room there is."""
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


async def test_a_journal_that_may_not_grow_refuses_calls_and_forwards_none(tmp_path: Path) -> None:
    """The same where nobody may mount: the kernel refuses the gateway's writes past a size (EFBIG)."""
    with stage(tmp_path / "home", tmp_path / "home" / ".bulkhead") as its:
        limits = psutil.Process(its.serving.process.pid)
        grown = (its.state / "journal.db-wal").stat().st_size

        def bound(size: int) -> None:
            limits.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        told = await through(its, lambda: bound(grown), lambda: bound(resource.RLIM_INFINITY))
        check(its, told)


async def test_a_journal_gone_read_only_refuses_calls_and_forwards_none(tmp_path: Path) -> None:
    """As a kernel does with a failing disk. It stays full, because open files stay writable."""
    with small_disk(tmp_path / "disk", "4m") as disk, ExitStack() as covers:
        with stage(tmp_path / "home", disk) as its:
            ballast, cover = disk / "ballast", tmp_path / "cover"

            def bind(place: Path, onto: Path) -> None:
                onto.mkdir(exist_ok=True)
                run("mount", "--bind", str(place), str(onto))
                covers.callback(run, "umount", "-l", str(onto))

            def turn_read_only() -> None:
                bind(disk, cover)
                # Not on the disk's own place: a file the gateway just opens keeps that busy.
                run("mount", "-o", "remount,bind,ro", str(cover))
                bind(cover, disk)

            def mend() -> None:
                covers.close()
                ballast.unlink()

            told = await through(its, lambda: fill(ballast), mend, turn_read_only)
            check(its, told)
            log = (its.home.root / "serve.log").read_text()
    # Which of the two it is depends on whether the kernel still lets the file be opened.
    assert "cannot be opened" in log or "the file is read-only" in log


def run(*words: str) -> None:
    subprocess.run(words, check=True, timeout=20)
