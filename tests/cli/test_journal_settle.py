"""`bulkhead journal settle`, run as a person runs it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from gateway.core.record import State
from gateway.journals.sqlite import SqliteReader
from tests.journals.calls import intent, outcome
from tests.journals.writing import write
from tests.policy.written import written
from tests.system.home import Home


def _state(home: Home, call: str) -> State:
    reader = SqliteReader(home.root / ".bulkhead" / "journal.db")
    row = reader.call(call)
    reader.close()
    assert row is not None
    return row.state


def _home(tmp_path: Path) -> Home:
    policies = written(tmp_path)
    texts = [(policies / name).read_text() for name in ("policy.csv", "tiers.yaml")]
    home = Home.make(
        tmp_path / "home",
        {"git": {"url": "http://127.0.0.1:9/mcp"}},
        policy=texts[0],
        tiers=texts[1],
    )
    lines = (
        intent("call-0001", tier="tool", effect="write"),
        outcome("call-0001", "in_doubt"),
        intent("call-0002"),
        outcome("call-0002"),
    )
    asyncio.run(write(home.root / ".bulkhead" / "journal.db", *lines))
    return home


def test_a_doubt_without_a_pack_is_left_and_said_so_and_a_persons_word_settles_it(
    tmp_path: Path,
) -> None:
    home = _home(tmp_path)
    looked = home.run("journal", "settle", "--json")
    before = _state(home, "call-0001")
    told = home.run("journal", "settle", "--not-applied", "call-0001")
    again = home.run("journal", "settle")
    [left] = json.loads(looked.stdout)
    assert (looked.returncode, left["call"], left["state"]) == (5, "call-0001", "in_doubt")
    assert before is State.IN_DOUBT
    assert (told.returncode, _state(home, "call-0001")) == (0, State.NOT_APPLIED)
    assert (again.returncode, again.stdout) == (0, "Nothing is in doubt.\n")


def test_a_word_is_about_one_call_that_is_in_doubt(tmp_path: Path) -> None:
    home = _home(tmp_path)
    none = home.run("journal", "settle", "--applied")
    settled = home.run("journal", "settle", "--applied", "call-0002")
    unknown = home.run("journal", "settle", "nobody-at-all")
    assert [ran.returncode for ran in (none, settled, unknown)] == [2, 2, 1]
    assert "not in doubt" in settled.stderr
    assert _state(home, "call-0002") is State.APPLIED
