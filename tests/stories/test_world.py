"""A world is seen whole: no change escapes a look, and every claim about it can fail."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Misconfigured
from gateway.stories.plan import Commit, Repository, WorldClaim, WorldPlan
from gateway.stories.world import World, changes, git, untrue

PLAN = WorldPlan(
    files={"notes/plan.txt": "ship it\n", "project/draft.txt": "draft\n"},
    repositories={
        "project": Repository(
            commits=(
                Commit(message="First", files={"a.txt": "1\n"}),
                Commit(message="Second", files={"a.txt": "2\n"}),
            ),
            branches=("release",),
        )
    },
    databases={
        "shop.db": "CREATE TABLE people (name TEXT); INSERT INTO people VALUES ('Ada'), ('Grace');"
    },
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world", PLAN)


def sql(world: World, statement: str) -> None:
    connection = sqlite3.connect(world.root / "shop.db")
    with connection:
        connection.execute(statement)
    connection.close()


def link(world: World, name: str) -> None:
    (world.root / name).unlink()
    (world.root / name).symlink_to("/")


CHANGES: dict[str, tuple[Callable[[World], Any], str]] = {
    "a file written": (lambda w: w.write({"notes/plan.txt": "no\n"}), "notes/plan.txt changed"),
    "a file made": (lambda w: w.write({"new/x": ""}), "new/x is new"),
    "a file removed": (lambda w: (w.root / "notes/plan.txt").unlink(), "notes/plan.txt is gone"),
    "a file become a link": (lambda w: link(w, "notes/plan.txt"), "notes/plan.txt changed"),
    "a file staged": (lambda w: git(w.root / "project", "add", "draft.txt"), "A  draft.txt"),
    "a commit": (
        lambda w: git(w.root / "project", "commit", "--allow-empty", "-qm", "Third"),
        "HEAD is main at 'Third'",
    ),
    "a branch": (lambda w: git(w.root / "project", "branch", "x"), "refs/heads/x is new"),
    "a branch moved": (
        lambda w: git(w.root / "project", "branch", "-f", "release", "HEAD~1"),
        "refs/heads/release changed",
    ),
    "a checkout": (
        lambda w: git(w.root / "project", "checkout", "-q", "release"),
        "HEAD is release",
    ),
    "a tag": (lambda w: git(w.root / "project", "tag", "v1"), "refs/tags/v1 is new"),
    "a row": (lambda w: sql(w, "INSERT INTO people VALUES ('Mallory')"), "Mallory"),
    "a row less": (lambda w: sql(w, "DELETE FROM people WHERE name = 'Ada'"), "- INSERT"),
    "a table less": (lambda w: sql(w, "DROP TABLE people"), "- CREATE TABLE people"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_no_change_escapes_a_look(world: World, name: str) -> None:
    change, told = CHANGES[name]
    before = world.look()
    assert world.look() == before
    change(world)
    after = world.look()
    assert after != before
    assert told in "\n".join(changes(before, after))
    assert untrue(WorldClaim(unchanged=True), world, after, before)


def test_a_fresh_world_is_what_was_planned(world: World) -> None:
    look = world.look()
    assert look.files["notes/plan.txt"] == b"ship it\n"
    repository = look.repositories["project"]
    assert (repository.branch, repository.message) == ("main", "Second")
    assert repository.status == ("?? draft.txt",)
    assert world.rows("shop.db", "people") == (("Ada",), ("Grace",))


def test_two_worlds_of_one_plan_are_equal(tmp_path: Path) -> None:
    one, other = World(tmp_path / "one", PLAN), World(tmp_path / "other", PLAN)
    assert one.look() == other.look()


TRUE = [
    {"file": "notes/plan.txt", "is": "ship it\n"},
    {"file": "notes/plan.txt", "has": "ship"},
    {"file": "nowhere.txt", "gone": True},
    {"repository": "project", "branch": "main", "head": "Second", "branches": ["release", "main"]},
    {"repository": "project", "status": ["?? draft.txt"]},
    {"database": "shop.db", "rows": {"people": [["Ada"], ["Grace"]]}},
    {"unchanged": True},
]
FALSE = [
    {"file": "notes/plan.txt", "is": "ship it"},
    {"file": "notes/plan.txt", "has": "sink"},
    {"file": "nowhere.txt", "has": ""},
    {"file": "notes/plan.txt", "gone": True},
    {"repository": "project", "branch": "release"},
    {"repository": "project", "head": "First"},
    {"repository": "project", "branches": ["main"]},
    {"repository": "project", "status": []},
    {"database": "shop.db", "rows": {"people": [["Ada"]]}},
    {"database": "shop.db", "rows": {"people": [["Grace"], ["Ada"]]}},
    {"database": "shop.db", "rows": {"persons": []}},
]


@pytest.mark.parametrize("said", TRUE, ids=str)
def test_a_true_claim_has_nothing_against_it(world: World, said: dict[str, Any]) -> None:
    look = world.look()
    assert untrue(WorldClaim.model_validate(said, strict=False), world, look, look) == []


@pytest.mark.parametrize("said", FALSE, ids=str)
def test_a_false_claim_is_told_in_words(world: World, said: dict[str, Any]) -> None:
    look = world.look()
    assert untrue(WorldClaim.model_validate(said, strict=False), world, look, look)


@pytest.mark.parametrize("name", ["../x", "/tmp/bulkhead-x", "a/../../x"])
def test_nothing_is_written_outside_the_world(world: World, name: str) -> None:
    with pytest.raises(ValueError, match="outside the world"):
        world.write({name: ""})


def test_looking_takes_no_lock_and_writes_nothing(world: World) -> None:
    index = world.root / "project" / ".git" / "index"
    before = index.stat().st_mtime_ns
    world.look()
    assert index.stat().st_mtime_ns == before
    assert not list((world.root / "project" / ".git").glob("*.lock"))


def test_without_git_a_world_with_a_repository_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Misconfigured, match="no git on PATH"):
        World(tmp_path / "world", PLAN)
