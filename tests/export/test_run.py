"""Export from a real journal while 64 callers write to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import anyio
import httpx
import pytest

from gateway.errors import Misconfigured
from gateway.export.run import catch_up
from gateway.export.sinks import Event, FileSink, HttpSink, Sink, Undelivered
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from tests.journals.calls import intent, outcome
from tests.journals.writing import write

WRITERS = 64
CALLS = 20


async def test_a_reader_by_cursor_beside_64_writers_misses_nothing_and_gets_nothing_twice(
    tmp_path: Path,
) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    sink, done = FileSink(tmp_path / "events.jsonl"), asyncio.Event()

    async def writing(writer: int) -> None:
        for number in range(CALLS):
            call_id = f"call{writer:02}x{number:02}"
            await journal.append(intent(call_id)).sealed()
            await journal.append(outcome(call_id)).sealed()

    def once() -> int:
        with closing(SqliteReader(tmp_path / "journal.db")) as reader:
            return catch_up(reader, sink, "1")

    async def reading() -> None:
        while not done.is_set():
            await asyncio.to_thread(once)

    with anyio.fail_after(60):
        exporting = asyncio.create_task(reading())
        await asyncio.gather(*(writing(number) for number in range(WRITERS)))
        done.set()
        await exporting
    once()
    await journal.aclose()
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    numbers = [json.loads(text)["metadata"]["sequence"] for text in lines]
    assert numbers == list(range(1, 2 * WRITERS * CALLS + 1))


class Flaky(FileSink):
    """Takes every second delivery only."""

    turn = 0

    def deliver(self, events: Sequence[Event]) -> None:
        self.turn += 1
        if self.turn % 2:
            raise Undelivered("busy")
        super().deliver(events)


async def test_an_export_goes_on_where_it_failed(tmp_path: Path) -> None:
    await write(tmp_path / "journal.db", *(intent(f"call{number:04}") for number in range(700)))
    reader, sink = SqliteReader(tmp_path / "journal.db"), Flaky(tmp_path / "events.jsonl")
    delivered = 0
    for _ in range(4):
        try:
            delivered += catch_up(reader, sink, "1")
        except Undelivered:
            continue
    assert (sink.reached().number, catch_up(reader, sink, "1")) == (700, 0)


@pytest.mark.parametrize("calls", [2, 9])
@pytest.mark.parametrize("to", ["file", "collector"])
async def test_after_an_older_copy_was_put_back_nothing_is_passed_over_unsaid(
    tmp_path: Path, to: str, calls: int
) -> None:
    """The journal goes on from there under numbers that are delivered already."""

    def sink() -> Sink:
        if to == "file":
            return FileSink(tmp_path / "events.jsonl")
        client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
        return HttpSink("http://collector/x", tmp_path / "cursor", client)

    async def history(name: str, calls: int) -> SqliteReader:
        path = tmp_path / name / "journal.db"
        await write(path, *(intent(f"{name}{number:04}") for number in range(calls)))
        return SqliteReader(path)

    assert catch_up(await history("then", 5), sink(), "1") == 5
    now = await history("now", calls)
    with pytest.raises(Misconfigured, match="line 5 was delivered last, and in the journal it is"):
        catch_up(now, sink(), "1")
