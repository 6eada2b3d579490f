"""What an agent was told leads it, and nobody else, back."""

from __future__ import annotations

from gateway.core.tasks import TaskMade
from gateway.line.links import Links
from gateway.line.tasks import Tasks


async def test_each_agent_knows_what_it_was_told() -> None:
    links = Links()
    await links.note("me", "files", {"x://a": "x://a", "x://files~b": "x://b"})
    assert links.find("me", "x://files~b") == ("files", "x://b")
    assert links.find("you", "x://files~b") is None
    assert links.find("me", "x://b") is None


async def test_memory_is_bounded_for_each_and_for_all() -> None:
    links = Links(most=2, most_each=2)
    await links.note("me", "s", {f"x://{n}": f"x://{n}" for n in range(3)})
    assert links.find("me", "x://0") is None
    assert links.find("me", "x://2") == ("s", "x://2")
    for agent in ("a", "b"):
        await links.note(agent, "s", {"x://0": "x://0"})
    assert links.find("me", "x://2") is None
    assert links.find("b", "x://0") == ("s", "x://0")


def task(server: str, task_id: str, owner: str = "me", tool: str = "t") -> TaskMade:
    return TaskMade(server, task_id, tool, owner, {})


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
