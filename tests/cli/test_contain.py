"""What `bulkhead contain` tells, where nothing had been done yet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.system.home import Home, intents


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.idle(tmp_path / "home")
    home.must("task", "begin", "t", "--as", "o")
    return home


@pytest.mark.parametrize(
    ("how", "member", "is_"),
    [("--plan", "scope", {"tasks": ["t"]}), ("--yes", "summary", "complete")],
)
def test_as_json_it_is_one_document_with_the_undo_in_it(
    home: Home, how: str, member: str, is_: object
) -> None:
    ran = home.run("contain", "--task", "t", how, "--json", "--as", "ada")
    told = json.loads(ran.stdout)
    assert ran.returncode == 0, ran.stderr
    assert told["fences"] == [{"scope": "task", "value": "t", "tenant": ""}]
    assert told["undo"][member] == is_


def test_who_did_nothing_is_contained_without_a_question(home: Home) -> None:
    ran = home.run("contain", "--task", "t", "--as", "ada")
    assert (ran.returncode, ran.stderr) == (0, "bulkhead: nothing is on record of task t\n")
    assert "No call in this scope can have changed anything." in ran.stdout
    assert "Undo this?" not in ran.stdout


def test_a_grant_there_never_was_is_fenced_and_said_to_be_none(tmp_path: Path) -> None:
    """Nobody knows its sixteen letters by heart: a slip would leave the agent at work unsaid."""
    home = Home.idle(tmp_path / "home", intents(["store"]))
    grant = home.grant("ann", task="t")
    home.must("grant", "complete", grant)
    known = home.run("contain", "--grant", grant, "--no-undo", "--as", "ada")
    assert (known.returncode, known.stderr) == (0, "")
    slip = home.run("contain", "--grant", grant[:-1], "--no-undo", "--as", "ada")
    said = f"bulkhead: nothing is on record of grant {grant[:-1]}\n"
    assert (slip.returncode, slip.stderr) == (0, said)


@pytest.mark.parametrize("scope", [("--task", "t", "--no-undo"), ("--tier", "data", "--yes")])
def test_where_nothing_is_undone_the_document_says_so(home: Home, scope: tuple[str, ...]) -> None:
    told = json.loads(home.must("contain", *scope, "--json", "--as", "ada"))
    assert told["undo"] is None
    assert len(told["fences"]) == 1


@pytest.mark.parametrize(
    "scope",
    [
        ("--tier", "data", "--since", "10m"),
        ("--tenant", "local", "--since", "10m"),
        ("--task", "t", "--agent", "ann", "--since", "10m"),
        ("--all",),
    ],
)
def test_a_scope_that_is_stopped_and_not_undone_says_so(home: Home, scope: tuple[str, ...]) -> None:
    ran = home.run("contain", *scope, "--yes", "--as", "ada")
    assert (ran.returncode, ran.stdout[:6]) == (0, "fenced")
    assert "Nothing is undone: " in ran.stderr


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        (("--server", "stroe"), "no server 'stroe' in the settings"),
        (("--agent", "a,b"), "'agent:a,b' is no agent's name"),
        (("--agent", "k8s:ns:triage"), "'k8s:ns:triage' is no agent's name"),
        (("--agent", ""), "is no agent's name"),
        (("--task", "t", "--task", "not a task"), "'not a task' is no task's name"),
        (("--grant", "*"), "'*' is no grant's name"),
        (("--tenant", "*"), "'*' is no tenant's name"),
        (("--task", "t", "--tenant", "a b"), "'a b' is no tenant's name"),
        (("--grant", "g", "--tenant", "acme"), "--tenant goes with neither"),
        (("--all", "--tenant", "acme"), "--tenant goes with neither"),
    ],
)
def test_nobody_is_told_that_something_was_stopped_which_cannot_be(
    home: Home, scope: tuple[str, ...], says: str
) -> None:
    ran = home.run("contain", *scope, "--no-undo", "--as", "ada")
    assert ran.returncode == 2
    assert says in ran.stderr
    assert home.must("fence", "list", "--json") == "[]"


def test_what_an_operator_did_is_in_the_journal_a_person_reads(home: Home) -> None:
    home.must("contain", "--task", "t", "--no-undo", "--as", "ada", "--why", "odd")
    (noted,) = home.calls()
    listed, shown = home.must("journal", "list"), home.must("journal", "show", noted["call_id"])
    assert "noted" in listed
    assert noted["method"] in listed
    assert "ada" in shown
    assert shown.count(noted["method"]) == 1
    assert noted["method"] in home.must("journal", "tail")


def test_where_only_the_fence_could_be_set_that_is_told(home: Home) -> None:
    (home.root / ".bulkhead" / "journal.db").write_text("no journal at all")
    ran = home.run("contain", "--task", "t", "--no-undo", "--json", "--as", "ada")
    told = json.loads(ran.stdout)
    assert ran.returncode == 2
    assert "The fence stands. What follows from it is not done" in ran.stderr
    assert told["fences"] == [{"scope": "task", "value": "t", "tenant": ""}]
    assert "journal.db" in told["failed"]
    assert [each["value"] for each in json.loads(home.must("fence", "list", "--json"))] == ["t"]


DIES = """
import asyncio, os, pathlib, sys
from gateway.journals.sqlite import SqliteJournal
from tests.journals.calls import intent

async def main():
    journal = await SqliteJournal.open(pathlib.Path(sys.argv[1]))
    await journal.append(intent("call-1", task="t")).sealed()
    os._exit(9)

asyncio.run(main())
"""


def test_what_a_gateway_that_is_gone_had_under_way_is_not_waited_for(home: Home) -> None:
    path = home.root / ".bulkhead" / "journal.db"
    killed = subprocess.run([sys.executable, "-c", DIES, str(path)], timeout=60, cwd=ROOT)
    told = json.loads(home.must("contain", "--task", "t", "--no-undo", "--json", "--as", "ada"))
    [call] = home.calls("--task", "t", "--state", "in_doubt")
    assert (killed.returncode, told["under_way"]) == (9, [])
    assert call["call_id"] == "call-1"
