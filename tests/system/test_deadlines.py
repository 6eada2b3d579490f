"""A task's deadline beside a server that keeps its database open: what is put back under it would be written again."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest

from gateway.catalogue.canonical import digest
from gateway.core.model import Endpoint
from tests.system import starter
from tests.system.client import agent
from tests.system.home import Home, everybody, one_tier

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")

NOTE = {
    "name": "note",
    "inputSchema": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
        "additionalProperties": False,
    },
}
SERVER = f"""
import json, sys
database = open(sys.argv[1], "r+")
remembered = database.read()
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "initialize":
        about = {{"name": "store", "version": "1.0"}}
        result = {{"protocolVersion": "2025-11-25", "capabilities": {{"tools": {{}}}}, "serverInfo": about}}
    elif m.get("method") == "tools/list":
        result = {{"tools": [{NOTE!r}]}}
    elif m.get("method") == "tools/call":
        remembered += m["params"]["arguments"]["text"] + ","
        database.seek(0)
        database.write(remembered)
        database.flush()
        result = {{"content": []}}
    else:
        result = None
    if result is not None:
        print(json.dumps({{"jsonrpc": "2.0", "id": m["id"], "result": result}}), flush=True)
    elif "id" in m:
        no = {{"code": -32601, "message": "no"}}
        print(json.dumps({{"jsonrpc": "2.0", "id": m["id"], "error": no}}), flush=True)
"""
PACK = f"""\
undo_pack: 1
server: {{name: store, versions: ">=1", tools: {{note: "{digest(NOTE)}"}}}}
records: {{note: {{}}}}
"""
UNDO = """\
p, P900, admin, store, undo:*, role:operator, local, undo, local, -, allow
g, operator:keeper, role:operator, local
"""
PATIENCE = 60.0


def a_home(root: Path) -> Home:
    (root / "world").mkdir()
    database = root / "world" / "data.db"
    database.write_text("before,")
    home = Home.make(
        root / "home",
        {
            "store": {"command": [sys.executable, "-c", SERVER, str(database)]},
            "store-undo": {
                "command": [
                    starter.python(), "-m", "gateway", "companion", "snapshot", str(database.parent)
                ],
                "companion_of": "store",
            },
        },
        policy=everybody([("tool", "store")]) + UNDO,
        tiers=one_tier("store", "tool", "write"),
    )  # fmt: skip
    (home.root / "policies" / "undo").mkdir()
    (home.root / "policies" / "undo" / "store.yaml").write_text(PACK)
    home.approve("store", "store-undo")
    return home


async def said(home: Home, text: str) -> None:
    token = home.mint("tester", Endpoint("all"))
    async with agent(f"{home.origin}/mcp", token, "legacy") as client:
        assert not (await client.call_tool("store__note", {"text": text})).is_error


async def test_a_deadline_puts_nothing_back_under_a_server_of_the_same_gateway(
    tmp_path: Path,
) -> None:
    home = a_home(tmp_path.resolve())
    with home.serving():
        home.must("task", "begin", "test", "--as", "keeper")
        await said(home, "one")
        home.must("task", "extend", "test", "--within", "1")
        until = time.monotonic() + PATIENCE
        while (task := json.loads(home.must("task", "list", "--json"))[0])["stand"] == "open":
            assert time.monotonic() < until
            await asyncio.sleep(0.2)
        await said(home, "two")
    assert (task["stand"], task["why"]) == ("asks", "partial")
    assert (tmp_path / "world" / "data.db").read_text() == "before,one,two,"
