"""Promises about tasks: durable, settled once, and never by two at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.undo.deadlines import KEPT, Deadlines, Stand

SECOND = 1_000_000
TASK = "nightly/../cleanup\n1"


def test_a_promise_outlives_its_process(tmp_path: Path) -> None:
    made = Deadlines(tmp_path).begin(TASK, "operator:o", 5 * SECOND, 600)
    assert Deadlines(tmp_path).find(TASK) == made
    assert made.deadline == 605 * SECOND


def test_a_task_has_one_promise_at_a_time(tmp_path: Path) -> None:
    deadlines = Deadlines(tmp_path)
    deadlines.begin(TASK, "operator:o", 0, 600)
    with pytest.raises(Refused, match="unknown_target"):
        deadlines.begin(TASK, "operator:o", 1, 600)
    deadlines.confirm(TASK, 2)
    assert deadlines.begin(TASK, "operator:o", 3, 600).stand == "open"


def test_it_is_overdue_at_its_deadline_unless_it_is_confirmed_or_extended(tmp_path: Path) -> None:
    deadlines = Deadlines(tmp_path)
    for task in ("left", "confirmed", "extended"):
        deadlines.begin(task, "operator:o", 0, 10)
    deadlines.confirm("confirmed", SECOND)
    deadlines.extend("extended", SECOND, 10)
    assert deadlines.look().overdue(10 * SECOND - 1) == []
    assert [promise.task for promise in deadlines.look().overdue(10 * SECOND)] == ["left"]
    assert [promise.task for promise in deadlines.look().overdue(11 * SECOND)] == [
        "left",
        "extended",
    ]


def test_when_the_time_is_over_nothing_can_be_confirmed(tmp_path: Path) -> None:
    deadlines = Deadlines(tmp_path)
    deadlines.begin(TASK, "operator:o", 0, 10)
    with pytest.raises(Refused, match="unknown_target"):
        deadlines.confirm(TASK, 10 * SECOND)
    with pytest.raises(Refused, match="unknown_target"):
        deadlines.extend(TASK, 10 * SECOND, 10)
    with pytest.raises(Refused, match="unknown_target"):
        deadlines.confirm("never begun", 0)


def test_who_keeps_it_keeps_it_alone(tmp_path: Path) -> None:
    one, other = Deadlines(tmp_path), Deadlines(tmp_path)
    one.begin(TASK, "operator:o", 0, 10)
    with one.held(TASK) as mine, other.held(TASK) as theirs:
        assert mine is not None
        assert theirs is None
        with pytest.raises(Refused, match="overloaded"):
            other.confirm(TASK, 1)
    assert other.confirm(TASK, 1).stand == "confirmed"


def test_what_was_settled_long_ago_is_forgotten_and_nothing_else_is(tmp_path: Path) -> None:
    deadlines = Deadlines(tmp_path)
    for task in ("confirmed", "undone", "asks", "open", "late"):
        deadlines.begin(task, "operator:o", 0, 700 if task == "late" else 600)
    for task in ("confirmed", "late"):
        deadlines.confirm(task, SECOND)
    stands: tuple[Stand, ...] = ("undone", "asks")
    for stand in stands:
        promise = deadlines.find(stand)
        assert promise is not None
        deadlines.settle(promise, stand)
    other = Deadlines(tmp_path)
    other.look()
    deadlines.look()
    for each in (deadlines, other):  # which knows of what is gone by now
        each.forget(601 * SECOND + KEPT)
    assert {each.task for each in deadlines.look().promises} == {"asks", "open", "late"}
    assert len(list((tmp_path / "tasks").iterdir())) == 6
    assert deadlines.begin("confirmed", "operator:o", 0, 600).stand == "open"


def test_a_task_that_somebody_has_or_has_begun_again_is_not_forgotten(tmp_path: Path) -> None:
    deadlines = Deadlines(tmp_path)
    for task in ("held", "again"):
        deadlines.begin(task, "operator:o", 0, 600)
        deadlines.confirm(task, SECOND)
    deadlines.look()
    again = Deadlines(tmp_path).begin("again", "operator:o", KEPT, 600)
    with Deadlines(tmp_path).held("held"):
        deadlines.forget(601 * SECOND + KEPT)
    assert deadlines.find("again") == again
    assert deadlines.find("held") is not None


def _a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone")


def _a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


NO_PROMISES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: path.write_text(""),
    "an empty one": lambda path: path.write_text("{}"),
    "no text": lambda path: path.write_bytes(b"\xff"),
    "a deadline in words": lambda path: path.write_text(path.read_text().replace("1", '"1"')),
    "a stand nobody knows": lambda path: path.write_text(path.read_text().replace("open", "ope")),
    "too deep": lambda path: path.write_text("[" * 100_000),
    "a link to nowhere": _a_link,
    "a directory": _a_directory,
}


@pytest.mark.parametrize("what", NO_PROMISES)
def test_a_file_that_is_no_promise_is_told_by_name_and_keeps_no_other_from_its_deadline(
    tmp_path: Path, what: str
) -> None:
    deadlines = Deadlines(tmp_path)
    deadlines.begin(TASK, "operator:o", 0, 10)
    [path] = (tmp_path / "tasks").glob("*.json")
    NO_PROMISES[what](path)
    other = deadlines.begin("another", "operator:o", 0, 10)
    looked = deadlines.look()
    assert looked.overdue(10 * SECOND) == [other]
    [unreadable] = looked.unreadable
    assert path.name in str(unreadable)


def test_a_pipe_is_no_promise_and_is_not_waited_for(tmp_path: Path) -> None:
    deadlines = Deadlines(tmp_path)
    other = deadlines.begin(TASK, "operator:o", 0, 10)
    os.mkfifo(tmp_path / "tasks" / "a.json")
    looked = deadlines.look()
    assert looked.overdue(10 * SECOND) == [other]
    assert "a.json: not a task's promise: no ordinary file" in str(looked.unreadable[0])


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    """A gateway looks every second, and no promise is ever thrown away."""
    deadlines = Deadlines(tmp_path)
    made = deadlines.begin(TASK, "operator:o", 0, 10)
    assert deadlines.look().overdue(10 * SECOND) == [made]
    [path] = (tmp_path / "tasks").glob("*.json")
    about = path.stat()
    path.write_text("{}")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert deadlines.look().overdue(10 * SECOND) == [made]


def quiet(directory: Path) -> None:
    """Nothing was written there for years."""
    os.utime(directory, ns=(10**18, 10**18))


def test_where_nothing_was_written_the_tasks_there_ever_were_are_not_gone_through(
    tmp_path: Path,
) -> None:
    deadlines, directory = Deadlines(tmp_path), tmp_path / "tasks"
    begun = deadlines.begin("a", "operator:o", 0, 600)
    quiet(directory)
    assert deadlines.look().promises == (begun,)
    [file] = directory.glob("*.json")
    file.unlink()
    quiet(directory)  # as nothing that writes a promise leaves it
    assert deadlines.look().promises == (begun,)
    other = Deadlines(tmp_path).begin("b", "operator:o", 0, 600)
    assert deadlines.look().promises == (other,)


def test_a_file_that_was_no_promise_is_looked_at_again(tmp_path: Path) -> None:
    deadlines, directory = Deadlines(tmp_path), tmp_path / "tasks"
    begun = deadlines.begin("a", "operator:o", 0, 600)
    [file] = directory.glob("*.json")
    said = file.read_text()
    file.write_text("no promise")
    quiet(directory)
    assert len(deadlines.look().unreadable) == 1
    file.write_text(said)
    assert deadlines.look().promises == (begun,)


def test_tasks_of_one_name_in_two_tenants_have_a_promise_each(tmp_path: Path) -> None:
    deadlines = Deadlines(tmp_path)
    for tenant in ("acme", "globex"):
        deadlines.begin(TASK, "operator:o", 0, 10, tenant)
    with pytest.raises(Refused):
        deadlines.confirm(TASK, 1)
    deadlines.confirm(TASK, 1, "acme")
    assert [promise.tenant for promise in deadlines.look().overdue(10 * SECOND)] == ["globex"]
    assert {promise.tenant: promise.stand for promise in deadlines.look().promises} == {
        "acme": "confirmed",
        "globex": "open",
    }
