"""`bulkhead undo check` and `draft`, run as a person runs them, on real servers and companions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system import starter
from tests.system.home import POLICIES, Home
from tests.undo import homes

MEMORY = POLICIES / "undo" / "memory.yaml"
NOTES = """
from mcp.server.mcpserver import MCPServer

server = MCPServer("notes", version="1.4.0")
NOTES = {}


@server.tool()
def get_note(id: str) -> str:
    return NOTES[id]


@server.tool()
def put_note(id: str, body: str) -> str:
    NOTES[id] = body
    return "done"


server.run()
"""

COMPANION = """
from gateway.undo.companion import Companion

notes = Companion("notes-undo", "1.0")


@notes.read
def read(key):
    return None


@notes.put
def put(key, value):
    pass


@notes.delete
def delete(key):
    pass


notes.run()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return homes.home(tmp_path_factory.mktemp("undo"), ["memory", "files"])


def test_check_says_what_each_tool_can_have_undone(home: Home) -> None:
    done = home.run("undo", "check", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {row["server"]: row for row in json.loads(done.stdout)}
    assert rows.keys() == {"memory", "files"}
    tools = {tool["tool"]: tool for tool in rows["files"]["tools"]}
    assert [case["level"] for case in tools["write_file"]["cases"]] == ["exact", "exact"]
    told = home.run("undo", "check").stdout
    assert "create_entities: set_exact by inverse, guard locked-check" in told


def fresh(root: Path, pack: str) -> Home:
    """Nothing is approved here yet."""
    made = Home.make(root / "home", homes.servers(root / "world", ["memory"]))
    packs = made.root / "policies" / "undo"
    packs.mkdir()
    (packs / "memory.yaml").write_text(pack)
    return made


def test_check_names_the_line_of_a_fault(tmp_path: Path) -> None:
    text = MEMORY.read_text()
    line = text[: text.index("use: links,")].count("\n") + 1
    done = fresh(tmp_path, text.replace("use: links,", "use: lnks,", 1)).run("undo", "check")
    assert done.returncode == 2
    assert f"memory.yaml:{line}:" in done.stderr
    assert "no read 'lnks'" in done.stderr


def test_check_fails_where_a_pack_is_not_in_force(tmp_path: Path) -> None:
    done = fresh(tmp_path, MEMORY.read_text()).run("undo", "check")
    assert done.returncode == 1
    assert "add_observations of memory is not approved" in done.stdout


def test_a_server_and_its_companion_become_a_pack_that_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text(NOTES)
    (tmp_path / "notes_undo.py").write_text(COMPANION)
    made = Home.make(
        tmp_path / "home",
        {
            "notes": {"command": [starter.python(), str(tmp_path / "notes.py")]},
            "notes-undo": {
                "command": [starter.python(), str(tmp_path / "notes_undo.py")],
                "companion_of": "notes",
            },
        },
    )
    made.approve("notes", "notes-undo")
    written = made.run("undo", "draft", "notes", "--write")
    assert (written.returncode, written.stderr) == (0, "")
    done = made.run("undo", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "put_note: exact by companion, guard cas; exact by restore, guard cas" in done.stdout
    again = made.run("undo", "draft", "notes", "--write")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert made.run("undo", "draft", "notes-undo").returncode == 2


def test_a_value_without_a_name_is_no_value_worth_trying(home: Home) -> None:
    done = home.run("undo", "certify", "memory", "--world", str(home.root), "--value", "bad")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--value is NAME=VALUE, not 'bad'" in done.stderr
