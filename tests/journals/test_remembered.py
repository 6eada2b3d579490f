"""What one gateway process has learned, the others of its state directory know."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path

from gateway.core.model import ClientFacts, Endpoint, Era, Request, Tier, WorkloadIdentity
from gateway.core.resolve import Shelf, Table
from gateway.core.tasks import TaskMade
from gateway.journals.protect import UNDO_BYTES, Protector
from gateway.journals.remembered import DAYS, MOST_EACH, SqliteRemembered
from gateway.journals.sqlite import SqliteJournal
from gateway.line.links import Links
from gateway.line.tasks import Tasks
from gateway.values import replace
from tests.journals.calls import intent

WHO = WorkloadIdentity(
    "urn:test", "agent:a", "local", "t1", "general", frozenset({Tier.DATA}), "jti", 2**40
)
ME = WHO.owner
NOTHING = Table("1", Shelf(), {})
SECRET = "hunter2-is-no-name"


@asynccontextmanager
async def process(home: Path) -> AsyncIterator[SqliteRemembered]:
    """What one gateway process has of it."""
    async with asyncio.timeout(20):
        async with aclosing(await SqliteJournal.open(home / "journal.db")) as journal:
            yield journal.remembered(Protector.open(home))


def about(method: str, **params: str) -> Request:
    client = ClientFacts("2026-07-28")
    return Request(Endpoint("all"), WHO, Era.STATELESS, 1, method, dict(params), client)


async def test_a_task_made_at_one_process_is_its_owners_at_another_and_nobody_elses(
    tmp_path: Path,
) -> None:
    made = TaskMade("s", "id-1", "t", ME, {"a": [1, "é"]})
    thief = replace(about("tasks/get", taskId="id-1"), identity=replace(WHO, agent="agent:b"))
    async with process(tmp_path) as one, process(tmp_path) as other:
        Tasks(one).note(made)
        await one.written()
        tasks = Tasks(other)
        await tasks.recall(NOTHING, about("tasks/get", taskId="id-1"))
        await tasks.recall(NOTHING, thief)
    assert tasks.find(ME, "id-1", None) == made
    assert tasks.find(thief.identity.owner, "id-1", None) is None


async def test_a_task_made_with_arguments_that_are_too_large_to_tell_is_its_own_processs_knowledge(
    tmp_path: Path,
) -> None:
    made = TaskMade("s", "id-1", "t", ME, {"a": "x" * (UNDO_BYTES + 1)})
    async with process(tmp_path) as one:
        tasks = Tasks(one)
        tasks.note(made)
        found = await one.find("task", ME, "id-1")
    assert tasks.find(ME, "id-1", None) == made
    assert found == []


async def test_a_note_is_in_the_file_when_the_next_line_is(tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        journal.remembered(Protector.open(tmp_path)).note("task", ME, {"id": {"tool": "t"}})
        await journal.append(intent("call-1")).sealed()
        with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
            [(noted,)] = connection.execute("SELECT count(*) FROM remembered")
        await journal.aclose()
    assert noted == 1


async def test_a_link_outlives_the_process_that_told_it_and_its_newest_word_counts(
    tmp_path: Path,
) -> None:
    async with process(tmp_path) as first:
        links = Links(first)
        await links.note(ME, "one", {"x://a": "x://a"})
        await links.note(ME, "two", {"x://a": "y://a"})
    async with process(tmp_path) as later:
        again = Links(later)
        await again.recall(NOTHING, about("resources/read", uri="x://a"))
        await again.recall(NOTHING, about("resources/read", uri="x://never-told"))
    assert again.find(ME, "x://a") == ("two", "y://a")
    assert again.find(ME, "x://never-told") is None


async def test_neither_a_name_nor_a_body_can_be_read_from_the_disk(tmp_path: Path) -> None:
    async with process(tmp_path) as one:
        one.note("link", ME, {f"https://x/?token={SECRET}": {"uri": SECRET}})
        await one.written()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("journal.db*"))
    assert SECRET.encode() not in kept


async def test_the_oldest_are_forgotten_each_owners_own(tmp_path: Path) -> None:
    async with process(tmp_path) as one:
        one.note("link", "you", {"yours": {"n": 0}})
        one.note("link", ME, {str(number): {"n": number} for number in range(MOST_EACH)})
        one.note("link", ME, {"one more": {"n": -1}})
        await one.written()
        found = [await one.find("link", ME, name) for name in ("0", "1", "one more")]
        yours = await one.find("link", "you", "yours")
    assert found == [[], [{"n": 1}], [{"n": -1}]]
    assert yours == [{"n": 0}]


async def test_what_is_a_month_old_is_forgotten_while_the_gateway_runs(tmp_path: Path) -> None:
    now = 1_795_000_000_000_000
    async with (
        asyncio.timeout(20),
        aclosing(await SqliteJournal.open(tmp_path / "j.db")) as journal,
    ):
        one = SqliteRemembered(journal, tmp_path / "j.db", Protector.open(tmp_path), lambda: now)
        found = []
        for days in (0, DAYS, 1):
            now += days * 86_400_000_000
            one.note("link", f"agent-{days}", {"x": {"days": days}})
            await one.written()
            found.append([bool(await one.find("link", f"agent-{d}", "x")) for d in (0, DAYS, 1)])
    assert found == [[True, False, False], [True, True, False], [False, True, True]]


async def test_a_journal_that_cannot_be_written_costs_only_the_sharing(tmp_path: Path) -> None:
    async with process(tmp_path) as one:
        links = Links(one)
        with closing(sqlite3.connect(tmp_path / "journal.db")) as other:
            other.execute("DROP TABLE remembered")
        await links.note(ME, "s", {"x://a": "x://a"})
        lost = await one.find("link", ME, "x://a")
    assert links.find(ME, "x://a") == ("s", "x://a")
    assert lost == []
