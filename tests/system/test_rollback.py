"""`bulkhead rollback` as an operator types it, beside a gateway that serves, on the real file server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from gateway.core.model import Endpoint
from tests.system.client import agent
from tests.system.home import Home
from tests.undo.homes import home as make_home

Call = tuple[str, dict[str, str]]


@dataclass(frozen=True)
class Place:
    """A gateway that serves, and the folder behind it."""

    home: Home
    files: Path

    def do(self, *calls: Call) -> None:
        """An agent's calls, all of which must work."""
        asyncio.run(self._do(calls))

    async def _do(self, calls: tuple[Call, ...]) -> None:
        token = self.home.mint("demo", Endpoint("all"))
        failed = []
        async with asyncio.timeout(60):
            async with agent(f"{self.home.origin}/mcp", token, "legacy") as client:
                for tool, arguments in calls:
                    placed = {
                        name: str(self.files / value) if name != "content" else value
                        for name, value in arguments.items()
                    }
                    answer = await client.call_tool(f"files__{tool}", placed)
                    if answer.is_error:
                        failed.append((tool, answer.content))
        assert failed == []

    def rollback(self, *words: str) -> tuple[int, Any]:
        """Exit status, and what --json said."""
        ran = self.home.run("rollback", *words, "--json", "--as", "keeper", timeout=180)
        return ran.returncode, json.loads(ran.stdout) if ran.stdout else ran.stderr

    def world(self) -> dict[str, bytes | None]:
        """Every path, directories as None."""
        return {
            str(path.relative_to(self.files)): None if path.is_dir() else path.read_bytes()
            for path in sorted(self.files.rglob("*"))
        }


@contextmanager
def place(root: Path) -> Iterator[Place]:
    home = make_home(root.resolve(), ["files"])
    files = root.resolve() / "world" / "files"
    (files / "kept.bin").write_bytes(b"\xff\x00\r\nkept")
    (files / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    with home.serving():
        yield Place(home, files)


WRECK: tuple[Call, ...] = (
    ("write_file", {"path": "kept.bin", "content": "gone"}),
    ("create_directory", {"path": "x/y"}),
    ("write_file", {"path": "x/y/new.txt", "content": "new"}),
    ("move_file", {"source": "crlf.txt", "destination": "x/moved.txt"}),
)


def test_a_wrecked_folder_comes_back_while_the_gateway_serves(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        before = here.world()
        here.do(*WRECK)
        wrecked = here.world()
        status, plan = here.rollback("--task", "test", "--plan")
        assert (status, here.world()) == (0, wrecked)
        assert here.rollback("--task", "test", "--plan-digest", "sha256:00")[0] == 4
        assert here.world() == wrecked
        status, report = here.rollback("--task", "test", "--plan-digest", plan["plan"])
        after = here.world()
        again, _ = here.rollback("--task", "test", "--yes")
    assert wrecked != before
    assert after == before
    # 3 as long as the pack has no certificate here: nothing above compensable is claimed.
    assert status in (0, 3), report
    assert {call["verdict"] for call in report["calls"]} <= {"restored", "compensated"}
    assert again == 0


def test_a_persons_edit_in_between_survives_and_is_reported(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.do(*WRECK)
        (here.files / "kept.bin").write_bytes(b"a person's")
        wrecked = here.world()
        refused, _ = here.rollback("--task", "test", "--yes")
        untouched = here.world()
        skipped, report = here.rollback("--task", "test", "--yes", "--on-conflict", "skip")
        after = here.world()
    assert (refused, untouched) == (4, wrecked)
    assert after == {"kept.bin": b"a person's", "crlf.txt": b"one\r\ntwo\r\n"}
    assert skipped == 4
    assert [call["verdict"] for call in report["calls"]].count("conflict") == 1


def test_who_is_no_operator_undoes_nothing(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.do(WRECK[0])
        ran = here.home.run("rollback", "--task", "test", "--yes", "--json", "--as", "stranger")
        after = here.world()
    assert ran.returncode == 8
    assert after["kept.bin"] == b"gone"


def test_an_agent_never_sees_what_undoes_nor_what_was_there(tmp_path: Path) -> None:
    """The companion is like a server nobody ever heard of, by any name and at any endpoint."""
    with place(tmp_path) as here:
        heard, said = asyncio.run(_heard(here))
        here.rollback("--task", "test", "--yes")
        listed = asyncio.run(_listed(here))
    assert heard["files-undo__file_read"] == heard["files-nope__file_read"]
    assert heard["/servers/files-undo/mcp"] == heard["/servers/files-nope/mcp"]
    assert not [name for name in listed if "undo" in name or not name.startswith("files__")]
    for hidden in ("kept", "undo", "/wAN", "sha256", "trash"):
        assert hidden not in said.replace("kept.bin", "")


async def _heard(here: Place) -> tuple[dict[str, str], str]:
    """By what was asked for: what came of it. And what a write is answered."""
    heard: dict[str, str] = {}
    token = here.home.mint("demo", Endpoint("all"))
    path = {"path": str(here.files / "kept.bin")}
    async with asyncio.timeout(60):
        async with agent(f"{here.home.origin}/mcp", token, "legacy") as client:
            for server in ("files-undo", "files-nope"):
                tool = f"{server}__file_read"
                try:
                    answer = str(await client.call_tool(tool, path))
                except Exception as error:
                    answer = str(error)
                heard[tool] = answer.replace(server, "")
            done = await client.call_tool("files__write_file", {**path, "content": "gone"})
        for server in ("files-undo", "files-nope"):
            token = here.home.mint("demo", Endpoint("server", server=server))
            where = f"/servers/{server}/mcp"
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
            async with httpx2.AsyncClient() as http:
                bearer = {"Authorization": f"Bearer {token}"}
                got = await http.post(here.home.origin + where, json=body, headers=bearer)
            heard[where] = f"{got.status_code} {got.text.replace(server, '')}"
    return heard, done.model_dump_json()


async def _listed(here: Place) -> list[str]:
    token = here.home.mint("demo", Endpoint("all"))
    async with (
        asyncio.timeout(60),
        agent(f"{here.home.origin}/mcp", token, "legacy") as client,
    ):
        return [tool.name for tool in (await client.list_tools()).tools]


def test_a_person_is_shown_a_tree(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.do(WRECK[0])
        shown = here.home.must("rollback", "--task", "test", "--plan", "--as", "keeper")
    assert "1 calls, 1 to be undone" in shown
    assert "file_put(" in shown
    assert "Plan sha256:" in shown


def test_a_task_nobody_confirms_is_undone_by_the_gateway_that_serves(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        before = here.world()
        here.home.must("task", "begin", "test", "--as", "keeper")
        here.do(*WRECK)
        wrecked = here.world()
        here.home.must("task", "extend", "test", "--within", "1")
        _until(lambda: here.world() == before)
        _until(lambda: '"undone"' in here.home.must("task", "list", "--json"))
    assert wrecked != before


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_persons_edit_is_overwritten_only_by_force_and_comes_back(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        here.do(WRECK[0])
        (here.files / "kept.bin").write_bytes(b"a person's\xff")
        status, forced = here.rollback("--task", "test", "--yes", "--on-conflict", "force")
        after = here.world()
        [overwrote] = [
            call
            for call in here.home.calls("--agent", "operator:keeper")
            if call["target"] == "write_file"
        ]
        back, report = here.rollback(overwrote["call_id"], "--yes")
        world = here.world()
    assert after["kept.bin"] == b"\xff\x00\r\nkept", forced
    assert world["kept.bin"] == b"a person's\xff", report
    assert {status, back} <= {0, 3}
