"""Which tasks are remembered, and whose they are."""

from __future__ import annotations

from gateway.core.tasks import TaskMade
from gateway.line.tasks import MOST_BYTES, Tasks


def task(server: str, task_id: str, tool: str = "t", **arguments: str) -> TaskMade:
    return TaskMade(server, task_id, tool, "me", arguments)


def test_a_task_is_its_owners() -> None:
    tasks = Tasks()
    tasks.note(task("s", "1"))
    assert tasks.find("me", "1", "s") == tasks.find("me", "1", None) == task("s", "1")
    assert tasks.find("you", "1", "s") is None
    assert tasks.find("me", "1", "other") is None


def test_an_id_two_servers_gave_is_reached_at_each_servers_own_endpoint_only() -> None:
    tasks = Tasks()
    tasks.note(task("s", "1"))
    tasks.note(task("z", "1"))
    assert tasks.find("me", "1", None) is None
    assert tasks.find("me", "1", "z") == task("z", "1")


def test_a_server_cannot_move_a_task_to_another_tool_by_giving_its_id_again() -> None:
    tasks = Tasks()
    tasks.note(task("s", "1"))
    tasks.note(task("s", "1", tool="other"))
    assert tasks.find("me", "1", "s") == task("s", "1")


def test_old_tasks_are_forgotten_first() -> None:
    tasks = Tasks(most=2)
    for id in ("1", "2", "3"):
        tasks.note(task("s", id))
    assert tasks.find("me", "1", "s") is None
    assert tasks.find("me", "3", "s") is not None


def test_large_arguments_do_not_fill_the_memory_and_those_of_the_newest_are_kept() -> None:
    tasks, part = Tasks(), MOST_BYTES // 3
    for id, size in (("1", part), ("2", part), ("3", part), ("4", 2 * MOST_BYTES)):
        tasks.note(task("s", id, text="x" * size))
        tasks.note(task("s", id, text="x" * size))  # the same one counts once
        known = [one for one in ("1", "2", "3", "4") if tasks.find("me", one, "s") is not None]
        assert known == {"1": ["1"], "2": ["1", "2"], "3": ["2", "3"], "4": ["4"]}[id]
