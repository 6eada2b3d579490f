"""The page's own commands: a copy of a running gateway's state, and another gateway that goes on from it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.house.source import ROOT
from tests.system.client import agent
from tests.system.home import Home, everybody, one_tier

PAGE = (ROOT / "docs" / "how-to" / "operate.md").read_text()


def typed(heading: str, state: Path, copy: Path, config: Path) -> None:
    """What the page says under the heading, in these places. Every command of it must work."""
    block = re.search(rf"^## {heading}\n.*?^```console\n(.*?)^```", PAGE, re.M | re.S)
    assert block is not None
    script = re.sub(r"^\$ ", "", block[1], flags=re.M)
    for said, here in (
        ("/var/lib/bulkhead", state),
        ("/backup", copy),
        ("/etc/bulkhead/bulkhead.yaml", config),
        ("bulkhead evidence", f"{sys.executable} -m gateway evidence"),
    ):
        script = script.replace(said, str(here))
    subprocess.run(["bash", "-euc", script], check=True, timeout=60)


async def call(home: Home) -> None:
    async with agent(
        f"{home.origin}/data/mcp", home.token("tester", "--tier", "data"), "legacy"
    ) as client:
        with anyio.fail_after(60):  # a machine at work may have its tool server late
            while not (await client.list_tools()).tools:
                await anyio.sleep(0.1)
        answer = await client.call_tool("time__get_current_time", {"timezone": "UTC"})
    assert not answer.is_error


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="needs sqlite3")
async def test_a_copy_of_a_running_gateway_is_one_to_go_on_from(tmp_path: Path) -> None:
    home = Home.make(
        tmp_path / "home",
        {"time": {"command": [str(Path(sys.executable).parent / "mcp-server-time")]}},
        policy=everybody([("data", "time")]),
        tiers=one_tier("time"),
    )
    home.approve("time")
    state, copy = home.root / ".bulkhead", tmp_path / "copy"
    copy.mkdir()
    with home.serving():
        for _ in range(3):
            await call(home)
        typed("Back up", state, copy, home.config)
        copied = home.calls()
        await call(home)
    shutil.rmtree(state)
    state.mkdir(mode=0o700)
    typed("Restore", state, copy, home.config)
    with home.serving():
        assert home.calls() == copied
        await call(home)
    assert "sound" in home.must("evidence", "check")
