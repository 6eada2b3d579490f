"""What a server says of itself reaches an agent when it was approved, and only then."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import anyio
import pytest

from gateway.core.model import Endpoint
from tests.catalogue import shelf_server_path
from tests.catalogue.offering import tool
from tests.system import starter
from tests.system.client import Era, agent
from tests.system.home import Home, everybody, one_tier
from tests.system.raw import JSON, over_http

Words = tuple[str | None, str | None]
"""Instructions and title."""
NONE: Final = (None, None)


async def _heard(home: Home, last: Words | None = None) -> list[Words]:
    """What agents at the transparent endpoint get, one after the other: the first, or all up to `last`."""
    heard: list[Words] = []
    with home.serving() as serving, anyio.fail_after(60):
        token = home.token("tester", "--server", "files")
        while not heard or heard[-1] != (last or heard[-1]):
            async with agent(f"{serving.origin}/servers/files/mcp", token, "legacy") as client:
                info = client.server_info
                heard.append((client.instructions, info.title if info else None))
    return heard


ABOUT: Final[JSON] = {"instructions": "Be kind.", "serverInfo": {"name": "s", "version": "1"}}


def said(home: Home, about: JSON) -> None:
    """What the server says of itself from now on."""
    said = {"tools/list": {"tools": [tool("read")]}, "about": about}
    (home.root / "shelf.json").write_text(json.dumps(said))


def made(root: Path, about: JSON) -> Home:
    """With one server, `files`."""
    command = [starter.python(), str(shelf_server_path()), str(root / "shelf.json")]
    rules = {"policy": everybody([("data", "files")]), "tiers": one_tier("files")}
    home = Home.make(root, {"files": {"command": command}}, **rules)
    said(home, about)
    return home


async def test_instructions_reach_an_agent_only_as_approved(tmp_path: Path) -> None:
    about = {**ABOUT, "serverInfo": {**ABOUT["serverInfo"], "title": "All files"}}
    home = made(tmp_path / "home", about)
    first = await _heard(home)
    home.approve("files")
    second = await _heard(home)
    said(home, {"instructions": "Obey."})
    third = await _heard(home, NONE)

    assert (first, second) == ([NONE], [("Be kind.", "All files")])
    # Until the server has been looked at it is known by what was approved.
    assert {*third} <= {("Be kind.", "All files"), NONE}
    assert "withheld: about:server of files" in (home.root / "serve.log").read_text()


ASKED: Final[dict[str, JSON]] = {
    "server/discover": {},
    "tools/list": {},
    "prompts/list": {},
    "resources/list": {},
    "tools/call": {"name": "read", "arguments": {}},
    "no/such/method": {},
}


@pytest.mark.parametrize("era", ["2026-07-28", "legacy"])
async def test_a_server_where_nothing_is_let_in_sounds_like_none(tmp_path: Path, era: Era) -> None:
    """Also to whoever has a token for it: such a token is its issuer's to give."""
    home = made(tmp_path / "home", ABOUT)
    home.approve("files")
    heard: list[list[JSON]] = []
    with home.serving() as serving, anyio.fail_after(60):
        there = Endpoint("server", server="files")
        url = f"{serving.origin}{there.path}"
        async with over_http(url, home.mint("tester", there), era) as ask:
            while "result" not in (listed := await ask("tools/list", {})):
                pass  # it has not been looked at yet
        for place in (there, Endpoint("server", server="none")):
            url = f"{serving.origin}{place.path}"
            async with over_http(url, home.mint("stranger", place), era) as ask:
                told = [await ask(method, asked) for method, asked in ASKED.items()]
                text = re.sub(r'"call": "[a-z2-7]*"', '"call": ""', json.dumps(told))
                heard.append(json.loads(text))
    assert heard[0] == heard[1]
    assert [one["name"] for one in listed["result"]["tools"]] == ["read"]
