"""P6: kill -9 at any point of a rollback, take it up, and it ends as if nothing had happened.

The points are enumerated, not guessed: before and after every line of the journal and every call of a
tool server. BULKHEAD_TEST_KILLS: how many of them are tried, spread evenly; `make campaign` tries all.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import settings as settings_file
from gateway.certify.files import look
from gateway.core.model import Endpoint, Tier
from gateway.identity.local import LocalIssuer
from tests.system import starter
from tests.system.client import agent
from tests.system.home import Home
from tests.undo.homes import home

KILLS = int(os.environ.get("BULKHEAD_TEST_KILLS", "2"))
WHOLE = ("restored", "compensated", "already")
TOOL = Endpoint("tier", Tier.TOOL)
GRAPH = '{"type":"entity","name":"Ada","entityType":"person","observations":["counts"]}\n'


@dataclass
class Place:
    """A gateway that serves, the world it serves, and how that looks when nothing was done to it."""

    home: Home
    world: Path
    before: dict[str, str]

    def seen(self) -> dict[str, str]:
        """The folder, byte for byte; the graph, as the things in it."""
        graph = sorted(filter(None, (self.world / "graph.jsonl").read_text().split("\n")))
        return {**look(self.world / "files"), "graph": "\n".join(map(canonical, graph))}

    async def wreck(self, task: str) -> None:
        """Six calls of one task: every kind of inverse, and one of several steps."""
        files = self.world / "files"
        state = settings_file.load(self.home.config).state_dir
        token = LocalIssuer.open(state, self.home.origin).mint(
            agent="demo",
            endpoint=TOOL,
            tiers=TOOL.tiers,
            tenant="local",
            task=task,
            intent="general",
            now=int(time.time()),
        )
        calls: list[tuple[str, dict[str, Any]]] = [
            ("files__write_file", {"path": f"{files}/bin.dat", "content": "wrecked"}),
            ("files__write_file", {"path": f"{files}/new.txt", "content": "new"}),
            ("files__create_directory", {"path": f"{files}/deep/er/est"}),
            (
                "files__move_file",
                {"source": f"{files}/a.txt", "destination": f"{files}/deep/b.txt"},
            ),
            (
                "memory__create_entities",
                {"entities": [{"name": "Eve", "entityType": "person", "observations": ["x"]}]},
            ),
            (
                "memory__create_relations",
                {"relations": [{"from": "Eve", "to": "Ada", "relationType": "knows"}]},
            ),
        ]
        with anyio.fail_after(60):
            async with agent(self.home.origin + TOOL.path, token, "2026-07-28") as client:
                for tool, arguments in calls:
                    done = await client.call_tool(tool, arguments)
                    assert not done.is_error, done
        assert self.seen() != self.before

    def run(self, at: int, *words: str) -> subprocess.CompletedProcess[str]:
        """`bulkhead rollback WORDS`, dying at that point; 0: not."""
        self.log.unlink(missing_ok=True)
        command = ["-m", "tests.faults.dying", str(at), str(self.log), "rollback"]
        said = [*words, "--as", "keeper", "--config", str(self.home.config)]
        return starter.run([*command, *said], starter.ROOT, 120)

    def take_up(self, task: str) -> dict[str, Any]:
        """What an operator does after a crash: asks, takes up what is unfinished, or begins again."""
        asked = self.run(0, "--task", task, "--plan", "--json")
        unfinished = re.findall(r"undo (\w+) is not finished", asked.stderr)
        words = ("--resume", unfinished[0]) if unfinished else ("--task", task, "--yes")
        done = self.run(0, *words, "--json")
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    @property
    def log(self) -> Path:
        return self.home.root / "points.log"


def canonical(line: str) -> str:
    return json.dumps(json.loads(line), sort_keys=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("killed").resolve()
    made = home(root, ["files", "memory"])
    files = root / "world" / "files"
    (files / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    (files / "bin.dat").write_bytes(bytes(range(256)))
    (root / "world" / "graph.jsonl").write_text(GRAPH)
    with made.serving():
        place = Place(made, root / "world", {})
        place.before = place.seen()
        yield place


async def test_p6_a_rollback_killed_anywhere_ends_as_if_it_had_not_been(place: Place) -> None:
    await place.wreck("alive")
    alive = place.run(0, "--task", "alive", "--yes", "--json")
    points = place.log.read_text().splitlines()
    whole = {call["verdict"] for call in json.loads(alive.stdout)["calls"]}
    assert whole <= set(WHOLE), alive.stdout
    assert place.seen() == place.before
    for at in chosen(len(points)):
        task = f"killed-{at}"
        await place.wreck(task)
        killed = place.run(at, "--task", task, "--yes", "--json")
        assert killed.returncode == -signal.SIGKILL, (points[at - 1], killed.stdout, killed.stderr)
        report = place.take_up(task)
        assert place.seen() == place.before, json.dumps([at, points[at - 1], report])
        assert {call["verdict"] for call in report["calls"]} <= set(WHOLE), (points[at - 1], report)
        again = place.run(0, "--task", task, "--yes", "--json")
        assert {call["verdict"] for call in json.loads(again.stdout)["calls"]} == {"already"}


def chosen(points: int) -> list[int]:
    """So many points as are to be tried, the first and the last among them."""
    if points <= KILLS:
        return list(range(1, points + 1))
    return sorted({1 + round(index * (points - 1) / (KILLS - 1)) for index in range(KILLS)})
