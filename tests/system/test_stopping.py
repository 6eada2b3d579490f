"""A gateway that is told to stop while others share its journal: nobody is left without an answer."""

from __future__ import annotations

import asyncio
import json
from asyncio import to_thread
from pathlib import Path
from urllib.request import urlopen

import anyio

from gateway import settings as settings_file
from gateway.core.model import Endpoint, Tier
from gateway.journals.sqlite import SqliteJournal
from tests.system.home import Home, everybody, one_tier
from tests.system.raw import STATELESS, enveloped, headers_for


def a_call(home: Home) -> bytes:
    """A write, as it travels."""
    params = {"name": "tick__work", "arguments": {"name": "ours", "seconds": 0.0}}
    endpoint = Endpoint("tier", Tier.TOOL)
    token = home.mint("tester", endpoint)
    body = json.dumps(enveloped("tools/call", params, 1)).encode()
    headers = {
        "host": f"127.0.0.1:{home.port}",
        "content-length": str(len(body)),
        **headers_for(token, STATELESS, "tools/call", params),
    }
    lines = [f"POST {endpoint.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


async def arrived(home: Home) -> None:
    """What was sent before has been read: whoever came later was answered, and who came after that."""
    for _ in range(2):
        await to_thread(lambda: urlopen(f"{home.origin}/readyz").close())


async def test_a_write_that_waits_for_another_gateway_is_refused_on_record_when_its_own_is_stopped(
    tmp_path: Path,
) -> None:
    rules = {"policy": everybody([("tool", "tick")]), "tiers": one_tier("tick", "tool", "write")}
    home = await to_thread(lambda: Home.ticking(tmp_path, **rules))
    with home.serving() as gateway:
        other = await SqliteJournal.open(settings_file.load(home.config).journal_file)
        await other.leases().take("elsewhere", ["server:/tick"], term=60.0, quiesce=0.0)
        with anyio.fail_after(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
            await arrived(home)  # and the connection was taken
            writer.write(a_call(home))
            await arrived(home)
            status = await to_thread(gateway.stop)
            answer = await reader.read()
            writer.close()
        await other.aclose()
    calls = [(call["state"], call["outcome"]["reason"]) for call in await to_thread(home.calls)]
    assert status == 0
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"reason":"overloaded"' in answer
    assert calls == [("refused", "overloaded")]
    assert list((tmp_path / "place").iterdir()) == []
