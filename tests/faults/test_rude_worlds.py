"""Rude worlds on the real servers: refused, lowered or reported, and never said to be restored when they are not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.core.model import Effect, Outcome
from gateway.core.record import State
from gateway.core.reverse import Level
from tests.undo.real import Day, Wire, a_day
from tests.undo.scratch import World, a_world

LATIN = b"caf\xe9\r\n\x00\xff"
BIG = b"x" * 400_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world("files", tmp_path_factory.mktemp("rude").resolve()) as made:
        yield made


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world("memory", tmp_path_factory.mktemp("rude").resolve()) as made:
        yield made


def empty(day: Day) -> Path:
    """The day's folder, with nothing in it."""
    for path in sorted(day.here.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    day.seen[-1] = day.look()
    return day.here


def test_a_file_that_is_not_utf8_comes_back_byte_for_byte(files: World) -> None:
    """Reading it as text gives U+FFFD, and putting that back destroys it."""
    with a_day(files, Random(1)) as day:
        path = empty(day) / "menu.txt"
        path.write_bytes(LATIN)
        path.chmod(0o640)
        made = day.call("write_file", {"path": str(path), "content": "menu"})
        assert path.read_bytes() == b"menu"
        verdicts = day.roll_back()
        back = path.read_bytes(), path.stat().st_mode & 0o777
    assert (made.reversal.level, verdicts) == (Level.EXACT, {made.call_id: "restored"})
    assert back == (LATIN, 0o640)


def test_line_ends_an_edit_took_away_come_back(files: World) -> None:
    """The server's diff does not show that it wrote LF for every CRLF of the file."""
    with a_day(files, Random(2)) as day:
        path = empty(day) / "report.txt"
        path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree\r\n")
        edit = {"oldText": "two", "newText": "2"}
        made = day.call("edit_file", {"path": str(path), "edits": [edit]})
        assert path.read_bytes() == b"\xef\xbb\xbfone\n2\nthree\n"
        verdicts = day.roll_back()
        back = path.read_bytes()
    assert verdicts == {made.call_id: "restored"}
    assert back == b"\xef\xbb\xbfone\r\ntwo\r\nthree\r\n"


def test_a_directory_that_was_there_is_left_there(files: World) -> None:
    """The server says it made it. It made nothing."""
    with a_day(files, Random(3)) as day:
        place = empty(day) / "desk"
        place.mkdir()
        made = day.call("create_directory", {"path": str(place)})
        verdicts = day.roll_back()
        there = place.is_dir()
    assert there
    assert made.reversal.level is Level.NOOP
    assert verdicts.get(made.call_id, "no_effect") == "no_effect"


def test_a_directory_somebody_uses_meanwhile_is_left_to_them(files: World) -> None:
    with a_day(files, Random(4)) as day:
        place = empty(day) / "new" / "desk"
        made = day.call("create_directory", {"path": str(place)})
        (place / "human.txt").write_text("mine")
        verdicts = day.roll_back()
        kept = (place / "human.txt").read_text()
    assert kept == "mine"
    assert verdicts == {made.call_id: "conflict"}


def test_a_name_given_twice_in_one_call_comes_back_as_it_was(memory: World) -> None:
    """The server then writes it twice, where it otherwise ignores what is there."""
    with a_day(memory, Random(5)) as day:
        before = day.look()
        twice = [{"name": "Twin", "entityType": "person", "observations": [each]} for each in "ab"]
        made = day.call("create_entities", {"entities": twice})
        again = day.call("delete_entities", {"entityNames": ["Twin", "Twin"]})
        verdicts = day.roll_back()
        now = day.look()
    assert made.state is State.APPLIED
    assert again.state is State.APPLIED
    if set(verdicts.values()) <= {"restored"}:
        assert now == before
    else:
        assert verdicts[made.call_id] != "restored"


def test_a_file_over_the_cap_has_no_level_and_is_said_to_have_none(files: World) -> None:
    with a_day(files, Random(6)) as day:
        path = empty(day) / "big.bin"
        path.write_bytes(BIG)
        made = day.call("write_file", {"path": str(path), "content": "small"})
        verdicts = day.roll_back()
        now = path.read_bytes()
    assert made.reversal.level is Level.NONE
    assert "pre-image" in made.reversal.why
    assert verdicts == {made.call_id: "irreversible"}
    assert now == b"small"


class Liar(Wire):
    """Answers looks with an error in words and no `isError`, as some servers do; or a write that did nothing."""

    def __init__(self, inner: Any, looks: bool) -> None:
        super().__init__(inner)
        self.looks = looks
        self.on = True

    async def call(self, permit: Any, message: Any, channel: Any) -> Outcome:
        said = "Database error: disk I/O error" if self.looks else "Successfully wrote"
        lie = Outcome("ok", {"content": [{"type": "text", "text": said}], "isError": False})
        if self.on and (permit.effect is Effect.READ) == self.looks:
            await asyncio.sleep(0)
            return lie
        return await super().call(permit, message, channel)


@pytest.mark.parametrize("when", ["before the call", "at the undo"])
def test_a_look_that_lies_is_no_look(files: World, when: str) -> None:
    """`isError: false` with an error in words: neither a pre-image, nor a proof that all is as before."""
    with a_day(files, Random(7)) as day:
        path = empty(day) / "a.txt"
        path.write_bytes(LATIN)
        liar = Liar(day.wires["files-undo"], looks=True)
        day.rig.parts.servers["files-undo"] = liar  # type: ignore[index]
        liar.on = when == "before the call"
        made = day.call("write_file", {"path": str(path), "content": "new"})
        liar.on = True
        verdicts = day.roll_back()
        now = path.read_bytes()
    assert verdicts[made.call_id] == ("irreversible" if when == "before the call" else "failed")
    assert now == b"new"


def test_a_write_that_says_it_worked_and_did_nothing_has_nothing_undone(files: World) -> None:
    with a_day(files, Random(8)) as day:
        path = empty(day) / "a.txt"
        path.write_bytes(LATIN)
        day.rig.parts.servers["files"] = Liar(day.wires["files"], looks=False)  # type: ignore[index]
        made = day.call("write_file", {"path": str(path), "content": "new"})
        verdicts = day.roll_back()
        now = path.read_bytes()
    assert made.state is State.NO_EFFECT
    assert verdicts.get(made.call_id, "no_effect") == "no_effect"
    assert now == LATIN


def test_an_undo_that_says_it_worked_and_did_nothing_is_not_believed(files: World) -> None:
    with a_day(files, Random(9)) as day:
        path = empty(day) / "a.txt"
        path.write_bytes(LATIN)
        made = day.call("write_file", {"path": str(path), "content": "new"})
        day.rig.parts.servers["files-undo"] = Liar(day.wires["files-undo"], looks=False)  # type: ignore[index]
        verdicts = day.roll_back()
        now = path.read_bytes()
    assert now == b"new"
    assert verdicts == {made.call_id: "unverified"}


def test_no_line_of_the_journal_shows_what_was_there(files: World) -> None:
    """What a call wrote over is sealed: for undo, and for nobody's eyes."""
    with a_day(files, Random(10)) as day:
        path = empty(day) / "diary.txt"
        path.write_bytes(b"nobody may read this")
        made = day.call("write_file", {"path": str(path), "content": "new"})
        day.roll_back()
        lines = day.rig.reader.lines(made.call_id)
        text = json.dumps([line.body.decode() for line in lines])
    assert "nobody may read" not in text
    assert "bm9ib2R5IG1heSByZWFkIHRoaXM" not in text
