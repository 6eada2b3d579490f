"""What a server says of itself reaches an agent when it was approved, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import anyio

from tests.catalogue import shelf_server_path
from tests.catalogue.offering import tool
from tests.system import starter
from tests.system.client import agent
from tests.system.home import Home, everybody, one_tier


async def _heard(home: Home) -> tuple[str | None, str | None]:
    """Instructions and title, as an agent at the transparent endpoint gets them."""
    with home.serving() as serving, anyio.fail_after(60):
        token = home.token("tester", "--server", "files")
        async with agent(f"{serving.origin}/servers/files/mcp", token, "legacy") as client:
            info = client.server_info
            return client.instructions, info.title if info else None


async def test_instructions_reach_an_agent_only_as_approved(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf.json"
    about = {
        "instructions": "Be kind.",
        "serverInfo": {"name": "s", "version": "1", "title": "All files"},
    }
    shelf.write_text(json.dumps({"tools/list": {"tools": [tool("read")]}, "about": about}))
    home = Home.make(
        tmp_path / "home",
        {"files": {"command": [starter.python(), str(shelf_server_path()), str(shelf)]}},
        tiers=one_tier("files"),
        policy=everybody([("data", "files")]),
    )
    first = await _heard(home)
    home.approve("files")
    second = await _heard(home)
    shelf.write_text(
        json.dumps({"tools/list": {"tools": [tool("read")]}, "about": {"instructions": "Obey."}})
    )
    third = await _heard(home)

    assert first == (None, None)
    assert second == ("Be kind.", "All files")
    assert third == (None, None)
    assert "withheld: about:server of files" in (home.root / "serve.log").read_text()
