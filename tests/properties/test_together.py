"""Two agents and a person at once, through and beside the gateway, on the real servers.

No write an agent was answered for is lost, no byte of the person's is lost by the rollback, and what the
rollback leaves for his sake it says.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.core.model import JsonObject
from tests.undo.real import WHOLE, Day, a_day
from tests.undo.scratch import World, a_world

CALLS = 6
AGENTS = ("agent:a", "agent:b")
PERSON = "a person's"


@pytest.fixture
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with a_world(request.param, tmp_path_factory.mktemp(request.param).resolve()) as made:
        yield made


def file_calls(day: Day, agent: str) -> list[tuple[str, JsonObject]]:
    """Both add lines to one file, and each makes its own."""
    shared, name = str(day.here / "shared.txt"), agent[-1]
    calls: list[tuple[str, JsonObject]] = []
    for number in range(CALLS):
        edit = {"oldText": "END", "newText": f"{name}{number}\nEND"}
        calls.append(("edit_file", {"path": shared, "edits": [edit]}))
        own = str(day.here / f"{name}{number}.txt")
        calls.append(("write_file", {"path": own, "content": name}))
    return calls


def graph_calls(day: Day, agent: str) -> list[tuple[str, JsonObject]]:
    """Both add to one entity, and each makes its own."""
    name = agent[-1]
    calls: list[tuple[str, JsonObject]] = []
    for number in range(CALLS):
        added = {"entityName": "shared", "contents": [f"{name}{number}"]}
        calls.append(("add_observations", {"observations": [added]}))
        one = {"name": f"{name}{number}", "entityType": "t", "observations": [name]}
        calls.append(("create_entities", {"entities": [one]}))
    return calls


async def at_once(day: Day, calls: dict[str, list[tuple[str, JsonObject]]]) -> list[str]:
    """Every agent's calls, one after the other, all agents at once. Those that were answered well: the ids."""
    done: list[str] = []

    async def agent(name: str) -> None:
        for tool, arguments in calls[name]:
            call, answer = await day.rig.ask(day.world.name, tool, arguments, task="t1", agent=name)
            if answer.result is not None and not answer.result.get("isError"):
                done.append(call)

    async with asyncio.timeout(120), asyncio.TaskGroup() as agents:
        for name in calls:
            agents.create_task(agent(name))
    return done


def saves(paths: list[Path], over: threading.Event) -> None:
    """A person opens what he finds and saves it, and new things beside it, until the agents are done."""
    left, number = list(paths), 0
    while not over.is_set() or left:
        for path in [each for each in left if each.exists() or over.is_set()]:
            # As editors save: whoever has the file open and writes late writes to the old one.
            beside = path.with_name(f".{path.name}.new")
            beside.write_text(PERSON)
            beside.replace(path)
            left.remove(path)
        number += 1
        if number < 20:
            (paths[0].parent / f"person-{number}.txt").write_text(PERSON)
        over.wait(0.005)


@pytest.mark.parametrize("world", ["files"], indirect=True)
def test_p5_two_agents_and_a_person_write_files_at_once(world: World) -> None:
    with a_day(world, Random(5)) as day:
        shared = day.here / "shared.txt"
        shared.write_text("END\n")
        theirs = [day.here / f"{name}{number}.txt" for name in "ab" for number in (2, 5)]
        over = threading.Event()
        person = threading.Thread(target=saves, args=(theirs, over))
        person.start()
        done = day.now(at_once, day, {name: file_calls(day, name) for name in AGENTS})
        over.set()
        person.join(20)
        added = shared.read_text().split()
        mine = {path: path.read_text() for path in day.here.glob("person-*.txt")}
        verdicts = day.roll_back()
        now = {path: path.read_text() for path in day.here.rglob("*") if path.is_file()}
    assert len(done) == 2 * 2 * CALLS
    assert sorted(added) == sorted([f"{n}{i}" for n in "ab" for i in range(CALLS)] + ["END"])
    assert now == {shared: "END\n", **mine, **dict.fromkeys(theirs, PERSON)}, verdicts
    left = {call for call, verdict in verdicts.items() if verdict not in WHOLE}
    assert len(left) == len(theirs) and len(verdicts) == len(done)
    assert {verdicts[call] for call in left} <= {"conflict", "irreversible"}


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().split("\n") if line]


@pytest.mark.parametrize("world", ["memory"], indirect=True)
def test_p5_two_agents_and_a_person_write_a_graph_at_once(world: World) -> None:
    """The server keeps one file and rewrites it whole: the person adds his line while it rests."""
    human = {"type": "entity", "name": PERSON, "entityType": "t", "observations": ["is here"]}
    with a_day(world, Random(5)) as day:
        path = day.world.path / "graph.jsonl"
        start = {"type": "entity", "name": "shared", "entityType": "t", "observations": []}
        path.write_text(json.dumps(start) + "\n")
        done = day.now(at_once, day, {name: graph_calls(day, name) for name in AGENTS})
        graph = {each["name"]: each for each in lines_of(path)}
        graph["a3"]["observations"].append(PERSON)
        path.write_text("\n".join(map(json.dumps, [*graph.values(), human])) + "\n")
        more = day.now(at_once, day, {name: graph_calls(day, name)[:2] for name in AGENTS})
        verdicts = day.roll_back()
        now = {each["name"]: each for each in lines_of(path)}
    assert len(done) == 2 * 2 * CALLS
    assert sorted(graph["shared"]["observations"]) == sorted(
        f"{n}{i}" for n in "ab" for i in range(CALLS)
    )
    assert graph.keys() >= {f"{n}{i}" for n in "ab" for i in range(CALLS)} and more
    assert now.keys() == {"shared", "a3", PERSON}, verdicts
    assert now[PERSON] == human and now["a3"]["observations"] == ["a", PERSON]
    assert now["shared"]["observations"] == []
    assert [verdict for verdict in verdicts.values() if verdict not in WHOLE] == ["conflict"]
