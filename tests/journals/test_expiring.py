"""Retention: what is old enough goes, by class; what is open, or younger, or of another class, stays."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from gateway.app import retention
from gateway.app.clock import DAY
from gateway.app.retention import Retention
from gateway.config.proofs import Retention as Kept
from gateway.core import record
from gateway.core.apart import Class
from gateway.core.record import Line
from gateway.evidence.audit import Frontier
from gateway.evidence.verify import leaf_hash
from gateway.journals import expiring, form
from gateway.journals.entry import Entry
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.journals.sqlitefile import SqliteFile
from gateway.settings import ServerSettings, Settings
from gateway.values import replace
from tests.journals.calls import NOON, call_record

UNDO = {"level": "exact", "kept": {"sealed": "x"}, "leases": [["file:/a", 1]], "why": "a"}
TODAY = NOON + 10 * DAY
RESULT = {"content": [{"type": "text", "text": "hello"}]}


def settings(**days: int) -> Settings:
    servers = {"git": ServerSettings(command=("x",))}
    return Settings(servers=servers, retention=Kept.model_validate(days))


def call(name: str, at: int, is_over: bool = True) -> list[Line]:
    first = record.intent(replace(call_record(name), effect="write"), at, {"undo": UNDO})
    last = record.outcome(name, at + 1, "ok", {"result": RESULT})
    return [first, last] if is_over else [first]


async def lost(path: Path, lines: Sequence[Line], days: Settings) -> dict[str, set[str]]:
    """What each call has lost once everything old was swept."""
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        for line in lines:
            await journal.append(line).sealed()
        before = root(path)
        await Retention(days).sweep(journal, TODAY)
        await journal.aclose()
    assert root(path, before[0]) == before
    with closing(SqliteReader(path)) as reader:
        names = dict.fromkeys(line.call_id for line in lines)
        return {name: set[str]().union(*(row.lost for row in reader.lines(name))) for name in names}


def root(path: Path, size: int | None = None) -> tuple[int, bytes]:
    with closing(SqliteReader(path)) as reader:
        frontier = Frontier()
        for row in reader.events(0, 10_000 if size is None else size):
            frontier.add(leaf_hash(row.body))
    return frontier.size, frontier.root()


@pytest.mark.parametrize(
    ("days", "gone"),
    [
        ({"arguments": 5}, {"arguments"}),
        ({"images": 5}, {"images"}),
        ({"results": 5}, {"results"}),
        ({"arguments": 5, "images": 5, "results": 5}, {"arguments", "images", "results"}),
        ({"results": 20}, set()),
    ],
)
async def test_each_class_has_its_own_time(
    tmp_path: Path, days: dict[str, int], gone: set[str]
) -> None:
    lines = [*call("old", NOON), *call("new", TODAY - DAY)]
    found = await lost(tmp_path / "journal.db", lines, settings(**days))
    assert found == {"old": gone, "new": set()}


async def test_what_is_under_way_keeps_what_it_has(tmp_path: Path) -> None:
    lines = [*call("older", NOON), *call("open", NOON, is_over=False), *call("old", NOON + 1)]
    found = await lost(tmp_path / "journal.db", lines, settings(arguments=5))
    assert found == {"older": {"arguments"}, "open": set(), "old": set()}


async def test_what_somebody_kept_in_the_log_is_gone_with_the_next_sweep(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    sweeping = Retention(settings(arguments=5))
    async with asyncio.timeout(60):
        journal = await SqliteJournal.open(path)
        for line in call("old", NOON):
            await journal.append(line).sealed()
        with closing(sqlite3.connect(path)) as reader:
            reader.execute("BEGIN")
            [key] = reader.execute("SELECT key FROM payload ORDER BY id").fetchone()
            await sweeping.sweep(journal, TODAY)
        held = key in Path(f"{path}-wal").read_bytes()
        gone = await sweeping.sweep(journal, TODAY)
        left = [file.name for file in tmp_path.glob("journal.db*") if key in file.read_bytes()]
        await journal.aclose()
    assert (held, any(gone.values()), left) == (True, False, [])


async def test_what_begins_while_a_sweep_looks_is_not_below_its_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    begun: list[Entry] = []
    async with asyncio.timeout(20):
        journal, other = await SqliteJournal.open(path), SqliteFile.open(path, NOON)
        for line in call("old", NOON):
            await journal.append(line).sealed()

        def look(connection: sqlite3.Connection) -> int:
            """Before each thing it asks, a call begins in another process."""

            def begin(sql: str) -> None:
                if sql.startswith("SELECT"):
                    first = record.held(call_record(f"new-{len(begun)}"), TODAY, {})
                    begun.append(Entry(first, *form.write(first, other.run.id)))
                    other.write(begun[-1:])

            connection.set_trace_callback(begin)
            try:
                return expiring.end(connection, TODAY - DAY)
            finally:
                connection.set_trace_callback(None)

        last = await journal.do(look)
        await journal.aclose()
        other.close()
    with closing(SqliteReader(path)) as reader:
        firsts = [row.seq for row in reader.events(0, 100) if row.call_id.startswith("new")]
    assert len(firsts) == len(begun) > 3
    assert last <= min(firsts)


async def test_a_sweep_that_destroys_something_is_on_record(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await lost(path, call("old", NOON), settings(images=5))
    await lost(path, [], settings(images=5))
    with closing(SqliteReader(path)) as reader:
        noted = [row for row in reader.events(0, 100) if row.kind is record.State.NOTED]
    assert [row.said["body"] for row in noted] == [{"class": "images", "before": TODAY - 5 * DAY}]


async def test_a_journal_that_cannot_be_opened_now_is_swept_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = asyncio.Event()

    class Told(Retention):
        async def sweep(self, journal: SqliteJournal, now: int) -> dict[Class, int]:
            swept.set()
            return await super().sweep(journal, now)

    monkeypatch.setattr(retention, "Retention", Told)
    monkeypatch.setattr(retention, "EVERY_SECONDS", 0)
    path = tmp_path / "journal.db"
    path.write_bytes(b"restored from the wrong place" * 1_000)
    kept = settings(results=1).model_copy(update={"home": str(tmp_path), "state": "."})
    async with asyncio.timeout(20):
        keeping = asyncio.create_task(retention.keep_retention(kept))
        for _ in range(3):
            await asyncio.to_thread(lambda: None)
        path.unlink()
        await swept.wait()
        keeping.cancel()
        await asyncio.wait([keeping])
    assert keeping.cancelled()
