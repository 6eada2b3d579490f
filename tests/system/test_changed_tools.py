"""A server changes, or lists no more, the tool its pack reads with: nobody calls it, nor believes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import Endpoint
from tests.system import starter
from tests.system.client import agent
from tests.system.home import Home

SERVER = """
import json, sys
from pathlib import Path
from mcp.server import MCPServer

notes = MCPServer("notes", version="1.0")
here = Path(sys.argv[1])
changed = (here / "changed").exists()
gone = (here / "gone").exists()
held = here / "notes.json"


def noted(word):
    with (here / "called").open("a") as file:
        file.write(f"{word}{' changed' * changed}{' gone' * gone}\\n")


def load():
    return json.loads(held.read_text())


def get_note(name: str) -> str:
    noted("get_note")
    return load().get(name, "")


if not gone:
    notes.tool(description="A note." + " And it is gone then." * changed)(get_note)


@notes.tool()
def put_note(name: str, body: str) -> str:
    noted("put_note")
    held.write_text(json.dumps({**load(), name: body}))
    return "put"


notes.run()
"""

PACK = """\
undo_pack: 1
server: {{name: notes, versions: "==1.0", tools: {{get_note: {get_note}, put_note: {put_note}}}}}
reads:
  note:
    tool: get_note
    on: server
    take: {{body: "${{read.text}}"}}
    schema: {{type: object, required: [body], properties: {{body: {{type: string}}}}}}
tools:
  put_note:
    keys: ["note:/${{segment(args.name)}}"]
    capture: {{note: {{use: note, arguments: {{name: "${{args.name}}"}}}}}}
    cases:
      - when: present(pre.note)
        level: exact
        strategy: restore
        inverse:
          - {{tool: put_note, arguments: {{name: "${{args.name}}", body: "${{pre.note.body}}"}}}}
    guard: {{compare: post, strength: locked-check}}
"""

POLICY = """\
p, P1, tool, notes, *, role:writer, local, general, *, -, allow
p, P2, admin, notes, undo:*, role:operator, local, undo, local, -, allow
g, agent:tester, role:writer, local
g, operator:keeper, role:operator, local
"""
TIERS = """\
servers:
  notes:
    tools:
      get_note: {tier: data, effect: read}
      put_note: {tier: tool, effect: write}
"""


def put(home: Home, body: str) -> None:
    async def called() -> None:
        token = home.mint("tester", Endpoint("all"))
        async with asyncio.timeout(60):
            async with agent(f"{home.origin}/mcp", token, "legacy") as client:
                await client.call_tool("notes__put_note", {"name": "a", "body": body})

    asyncio.run(called())


def notes(root: Path) -> Home:
    """A gateway with the pack, certified by nobody."""
    (root / "server.py").write_text(SERVER)
    (root / "notes.json").write_text('{"a": "zero"}')
    command = [starter.python(), str(root / "server.py"), str(root)]
    home = Home.make(root, {"notes": {"command": command}}, policy=POLICY, tiers=TIERS)
    home.approve("notes")
    pins: Mapping[str, Any] = json.loads((root / "policies" / "pins" / "notes.json").read_text())
    digests = {name: pin["digest"] for name, pin in pins["tool"].items()}
    (root / "policies" / "undo").mkdir()
    (root / "policies" / "undo" / "notes.yaml").write_text(PACK.format(**digests))
    return home


@pytest.mark.parametrize(
    ("became", "as_a_gateway_says", "as_a_rollback_says"),
    [
        ("changed", "changed since it was approved", "changed"),
        ("gone", "approved, but no longer listed", "gone"),
    ],
)
def test_a_tool_that_is_not_as_it_was_approved_is_not_called_by_the_gateway_itself(
    tmp_path: Path, became: str, as_a_gateway_says: str, as_a_rollback_says: str
) -> None:
    root = tmp_path.resolve()
    home = notes(root)
    with home.serving():
        put(home, "one")
    (root / became).touch()
    with home.serving():
        put(home, "two")
    changed = home.run("rollback", "--task", "test", "--plan", "--json", "--as", "keeper")
    called = (root / "called").read_text().splitlines()
    (root / became).unlink()
    back = home.run("rollback", "--task", "test", "--plan", "--json", "--as", "keeper")
    second, first = json.loads(changed.stdout)["calls"]
    assert called == ["get_note", "put_note", "get_note", f"put_note {became}"]
    assert (second["level"], first["level"]) == ("unknown", "compensable")
    assert f"get_note of notes is withheld: {as_a_gateway_says}" in second["case"]
    assert (first["standing"], first["why"]) == (
        "unreadable",
        f"get_note of notes is withheld: {as_a_rollback_says}",
    )
    assert json.loads(back.stdout)["calls"][1]["standing"] == "drift"
