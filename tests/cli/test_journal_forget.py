"""`bulkhead journal forget`: what it could not forget is said, and is in its exit status."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import pytest

from gateway import settings
from gateway.app.forget import open_forgetting
from gateway.journals.sqlite import SqliteJournal
from tests.journals.calls import intent, outcome
from tests.system.home import Home


async def test_a_subjects_call_that_is_not_over_is_said_to_be_left(tmp_path: Path) -> None:
    home = Home.idle(tmp_path / "home")
    journal = await SqliteJournal.open(home.root / ".bulkhead" / "journal.db")
    said = {"to": "jane@example.com"}
    for line in (
        intent("call-over", arguments=said),
        outcome("call-over"),
        intent("call-open", arguments=said),
    ):
        await journal.append(line).sealed()
    forget = ("journal", "forget", "--subject", "jane@example.com", "--json", "--as", "ada")
    would, did = home.run(*forget, "--dry-run"), home.run(*forget)
    await journal.append(outcome("call-open")).sealed()
    then = home.run(*forget)
    await journal.aclose()
    found = [(ran.returncode, json.loads(ran.stdout)) for ran in (would, did, then)]
    assert [(status, each["calls"], each["left"]) for status, each in found] == [
        (0, ["call-over"], ["call-open"]),
        (5, ["call-over"], ["call-open"]),
        (0, ["call-open"], []),
    ]
    assert "call-open is not over (intent), and keeps what it says until then" in did.stderr


async def test_a_call_that_is_not_over_is_left_also_where_it_is_named(tmp_path: Path) -> None:
    """It was a usage error, and nothing else that was named was forgotten."""
    home = Home.idle(tmp_path / "home")
    journal = await SqliteJournal.open(home.root / ".bulkhead" / "journal.db")
    for line in (intent("call-over"), outcome("call-over"), intent("call-open")):
        await journal.append(line).sealed()
    named = ("--call", "call-over", "--call", "call-open")
    ran = home.run("journal", "forget", *named, "--json", "--as", "ada")
    await journal.aclose()
    said = json.loads(ran.stdout)
    assert (ran.returncode, said["calls"], said["left"]) == (5, ["call-over"], ["call-open"])


async def test_an_agents_name_is_not_found_in_a_longer_one(tmp_path: Path) -> None:
    """What was kept of agent:bobby's calls was destroyed with agent:bob's."""
    home = Home.idle(tmp_path / "home")
    journal = await SqliteJournal.open(home.root / ".bulkhead" / "journal.db")
    texts = {
        "call-sentence": "tell agent:bob.",
        "call-encoded": b64encode(b"for agent:bob\xff").decode(),
        "call-bobby": "agent:bobby",
        "call-bob-2": b64encode(b"for agent:bob-2").decode(),
        "call-bob.x": "tell agent:bob.x.",
    }
    for call, text in texts.items():
        await journal.append(intent(call, arguments={"to": text})).sealed()
        await journal.append(outcome(call)).sealed()
    ran = home.run("journal", "forget", "--subject", "agent:bob", "--json", "--as", "ada")
    await journal.aclose()
    assert json.loads(ran.stdout)["calls"] == ["call-sentence", "call-encoded"]


async def test_what_the_log_still_held_is_gone_when_it_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time there is nothing to forget any more, and it was left where it lay."""
    monkeypatch.setattr("gateway.app.forget.PATIENCE", 1)
    home = Home.idle(tmp_path / "home")
    path = home.root / ".bulkhead" / "journal.db"
    journal = await SqliteJournal.open(path)
    for line in (intent("call-over", arguments={"to": "jane@example.com"}), outcome("call-over")):
        await journal.append(line).sealed()
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        [(key,)] = reader.execute("SELECT key FROM payload").fetchall()
        async with open_forgetting(settings.load(home.root / "bulkhead.yaml")) as forgetting:
            calls = forgetting.calls_of("jane@example.com")
            certain = await forgetting.forget(calls, "operator:ada")
    ran = home.run("journal", "forget", "--subject", "jane@example.com", "--as", "ada")
    left = [file.name for file in path.parent.glob("journal.db*") if key in file.read_bytes()]
    await journal.aclose()
    assert (len(calls), certain) == (1, False)
    assert (ran.returncode, ran.stdout) == (0, "0 calls forgotten\n")
    assert left == []
