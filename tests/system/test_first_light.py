"""The smallest whole thing: an agent lists and calls through the gateway, in each era, and the journal knows.

Every command is begun as a shell would.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.system.client import ERAS, Era, agent
from tests.system.home import Home

TIME = str(Path(sys.executable).parent / "mcp-server-time")


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_goes_through_and_is_on_record(tmp_path: Path, era: Era) -> None:
    home = replace(Home.make(tmp_path / "home", {"time": {"command": [TIME]}}), warm=False)
    home.approve("time")
    with home.serving() as serving, anyio.fail_after(60):
        token = home.token("analyst")
        async with agent(f"{serving.origin}/mcp", token, era) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
            answer = await client.call_tool("time__get_current_time", {"timezone": "UTC"})

    assert listed == ["time__get_current_time", "time__convert_time"]
    assert not answer.is_error
    [call] = home.calls()
    assert (call["target"], call["state"], call["rule"]) == ("get_current_time", "applied", "P020")
