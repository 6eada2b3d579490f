"""One agent over standard input and output: either era, cancellation, bounds, and a clean stdout."""

from __future__ import annotations

import asyncio
import json
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, StdioServerParameters

from gateway.core.model import Endpoint, Era, Evidence, JsonObject, WorkloadIdentity
from gateway.settings import RequestLimits
from gateway.wire.agents.stdio import MAX_UNTOLD, converse
from tests.wire.agents.house import TOOLS, RememberingGate
from tests.wire.agents.raw import META, initialize

ROOT = Path(__file__).parents[3]
ALL = Endpoint("all")
TOKEN = Evidence(("Bearer alice-token",), ALL)

PROGRAM = """
import asyncio
from gateway.core.model import Endpoint, Evidence
from gateway.settings import RequestLimits
from gateway.wire.agents import lines, stdio
from tests.wire.agents.house import RememberingGate

class Noisy(RememberingGate):
    async def _call(self, request, channel):
        print("a stray print of some library", flush=True)
        return await super()._call(request, channel)

async def main():
    endpoint = Endpoint("all")
    who = Evidence(("Bearer alice-token",), endpoint)
    with lines.standard() as wire:
        await stdio.converse(Noisy(), endpoint, who, wire, RequestLimits())

asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_a_real_client_starts_it_and_stray_prints_do_not_reach_it(
    mode: Literal["auto", "legacy", "2026-07-28"],
) -> None:
    command = StdioServerParameters(command=sys.executable, args=["-c", PROGRAM], cwd=ROOT)
    heard: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    with anyio.fail_after(30):
        async with Client(command, mode=mode) as agent:
            listed = await agent.list_tools()
            echoed = await agent.call_tool("echo", {"a": 1})
            await agent.call_tool("progress", {}, progress_callback=on_progress)
    assert [tool.name for tool in listed.tools] == [tool["name"] for tool in TOOLS]
    assert json.loads(echoed.content[0].text) == {"a": 1}  # type: ignore[union-attr]
    assert heard == [1.0, 2.0, 3.0]


@dataclass
class Pipe:
    """The wire's two ends in memory, and what an agent does with them."""

    incoming: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    outgoing: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    broken: bool = False

    async def read(self) -> bytes:
        return await self.incoming.get()

    async def write(self, line: bytes) -> None:
        if self.broken:
            raise BrokenPipeError
        await self.outgoing.put(line)

    def say(self, message: Any) -> None:
        self.incoming.put_nowait(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def call(self, id: Any, name: str, meta: JsonObject | None = None, **arguments: Any) -> None:
        params: JsonObject = {"name": name, "arguments": arguments}
        if meta is not None:
            params["_meta"] = meta
        self.say({"id": id, "method": "tools/call", "params": params})

    async def heard(self) -> Any:
        line = await self.outgoing.get()
        assert line.endswith(b"\n") and line.count(b"\n") == 1
        return json.loads(line)


@asynccontextmanager
async def talking(gate: RememberingGate, who: Any = TOKEN, **bounds: Any) -> AsyncIterator[Pipe]:
    pipe = Pipe()
    talk = asyncio.create_task(converse(gate, ALL, who, pipe, RequestLimits(**bounds)))
    try:
        async with asyncio.timeout(20):
            yield pipe
            pipe.incoming.put_nowait(b"")
            await talk
    finally:
        talk.cancel()


async def test_both_eras_live_on_one_process() -> None:
    gate = RememberingGate()
    async with talking(gate) as pipe:
        pipe.say({"id": "d", "method": "server/discover", "params": {"_meta": META}})
        discovered = await pipe.heard()
        pipe.say(initialize("2025-06-18"))
        initialized = await pipe.heard()
        pipe.call(1, "echo", META)
        stateless = await pipe.heard()
        pipe.call(2, "echo")
        legacy = await pipe.heard()
        pipe.say({"id": 3, "method": "ping"})
        pong = await pipe.heard()
    assert discovered["result"]["supportedVersions"] == ["2026-07-28"]
    assert initialized["result"]["protocolVersion"] == "2025-06-18"
    assert stateless["result"]["resultType"] == "complete"
    assert "resultType" not in legacy["result"]
    assert pong["result"] == {}
    assert [request.era for request in gate.requests] == [Era.STATELESS, Era.SESSIONS]


async def test_before_initialize_a_bare_request_is_told_what_is_missing() -> None:
    gate = RememberingGate()
    async with talking(gate) as pipe:
        pipe.say({"id": 1, "method": "server/discover"})
        probe = await pipe.heard()
        pipe.call(2, "echo")
        bare = await pipe.heard()
        version = {**META, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
        pipe.call(3, "echo", version)
        newer = await pipe.heard()
    assert [m["error"]["code"] for m in (probe, bare, newer)] == [-32602, -32602, -32022]
    assert gate.requests == []


@pytest.mark.parametrize("meta", [META, None])
async def test_a_cancelled_request_stops_and_is_not_answered(meta: JsonObject | None) -> None:
    gate = RememberingGate()
    async with talking(gate) as pipe:
        pipe.say(initialize())
        await pipe.heard()
        pipe.call(7, "hang", meta)
        await gate.started.wait()
        pipe.say({"method": "notifications/cancelled", "params": {"requestId": 7}})
        await gate.ended.wait()
        pipe.say({"id": 8, "method": "ping"})
        after = await pipe.heard()
    assert [request.id for request in gate.cancelled] == [7]
    assert after["id"] == 8


async def test_a_session_is_asked_and_a_stateless_agent_is_not() -> None:
    gate = RememberingGate()
    async with talking(gate) as pipe:
        pipe.say(initialize(sampling={}))
        await pipe.heard()
        pipe.call(1, "sample", vendor=1)
        asked = await pipe.heard()
        pipe.say({"id": asked["id"], "result": {"role": "assistant"}})
        answered = await pipe.heard()
        pipe.call(2, "sample", META)
        refused = await pipe.heard()
    assert (asked["method"], asked["params"]) == ("sampling/createMessage", {"vendor": 1})
    assert json.loads(answered["result"]["content"][0]["text"]) == {"role": "assistant"}
    assert refused["error"]["code"] == -32601


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b"[]\n",
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}\n',
        b"\xef\xbb\xbf{}\n",
        b"x" * 3_000 + b"\n",
        b"x" * 300_000 + b"\n",
    ],
)
async def test_a_line_that_cannot_be_read_is_refused_and_the_next_is_served(line: bytes) -> None:
    gate = RememberingGate()
    async with talking(gate, max_body=2_000) as pipe:
        for start in range(0, len(line), 65_536):
            pipe.incoming.put_nowait(line[start : start + 65_536])
        refused = await pipe.heard()
        pipe.say({"id": 1, "method": "server/discover", "params": {"_meta": META}})
        served = await pipe.heard()
    assert refused["id"] is None
    assert refused["error"]["code"] in (-32700, -32600)
    assert served["id"] == 1


async def test_a_line_without_an_end_is_not_kept() -> None:
    gate, piece = RememberingGate(), b"x" * 65_536
    tracemalloc.start()
    try:
        async with talking(gate, max_body=100_000) as pipe:
            for _ in range(1_000):
                pipe.incoming.put_nowait(piece)
            pipe.incoming.put_nowait(b"")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 1024 * 1024
    assert pipe.outgoing.empty()


async def test_nothing_but_json_rpc_is_on_standard_output() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    params = {"name": "echo", "arguments": {}, "_meta": META}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    assert process.stdin is not None and process.stdout is not None
    try:
        with anyio.fail_after(20):
            process.stdin.write(json.dumps(message).encode() + b"\n")
            answer = await process.stdout.readline()
            process.stdin.close()
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert json.loads(answer)["id"] == 1
    assert (out, process.returncode) == (b"", 0)
    assert b"a stray print" in err


async def test_a_token_that_is_no_longer_good_stops_working() -> None:
    gate = RememberingGate()
    async with talking(gate, Evidence(("Bearer stale",), ALL)) as pipe:
        pipe.say(initialize())
        refused = await pipe.heard()
        pipe.call(1, "echo", META)
        also = await pipe.heard()
    assert [m["error"]["code"] for m in (refused, also)] == [-32600, -32600]
    assert gate.requests == []


async def test_the_end_of_the_input_ends_what_is_in_work() -> None:
    gate = RememberingGate()
    async with talking(gate) as pipe:
        pipe.call(1, "hang", META)
        await gate.started.wait()
    assert [request.id for request in gate.cancelled] == [1]


async def test_the_end_of_the_input_is_seen_while_its_tool_server_is_waited_for() -> None:
    class Waiting(RememberingGate):
        async def met(self, endpoint: Endpoint, identity: WorkloadIdentity) -> None:
            await super().met(endpoint, identity)
            self.started.set()
            await anyio.sleep_forever()

    gate = Waiting()
    async with talking(gate) as pipe:
        pipe.say(initialize())
        await gate.started.wait()
        pipe.over.set()
        initialized = await pipe.heard()
    assert initialized["result"]["protocolVersion"] == "2025-11-25"


async def test_an_agent_that_does_not_read_any_more_is_not_served_any_more() -> None:
    gate = RememberingGate()
    pipe = Pipe(broken=True)
    pipe.say({"id": 1, "method": "server/discover", "params": {"_meta": META}})
    pipe.call(2, "echo", META)
    async with asyncio.timeout(20):
        await converse(gate, ALL, TOKEN, pipe, RequestLimits())
    assert gate.requests == []


async def test_what_an_agent_that_does_not_read_is_told_unasked_is_bounded_in_bytes() -> None:
    gate, pipe = RememberingGate(), Pipe(outgoing=asyncio.Queue(1))
    talk = asyncio.create_task(converse(gate, ALL, TOKEN, pipe, RequestLimits()))
    large = "x" * (MAX_UNTOLD // 4)
    try:
        async with asyncio.timeout(20):
            pipe.say(initialize())
            await pipe.heard()
            [followed] = gate.followed
            for number in range(9):
                followed.told("notifications/message", {"data": f"{number}{large}"})
            followed.told("notifications/message", {"data": "small"})
            heard = [(await pipe.heard())["params"]["data"][:5] for _ in range(4)]
            followed.told("notifications/message", {"data": f"again{large}"})
            heard.append((await pipe.heard())["params"]["data"][:5])
    finally:
        talk.cancel()
    assert heard == ["0xxxx", "1xxxx", "2xxxx", "small", "again"]


async def test_what_waits_for_an_agent_to_read_is_dropped_where_it_may_not_be_told_any_more() -> (
    None
):
    gate, pipe, fenced = RememberingGate(), Pipe(outgoing=asyncio.Queue(1)), False
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        talk = tasks.create_task(converse(gate, ALL, TOKEN, pipe, RequestLimits()))
        pipe.say(initialize())
        await pipe.heard()
        pipe.call(2, "echo")
        await pipe.heard()
        [request] = gate.requests
        assert request.ear is not None
        for data in ("full", "handed over"):
            request.ear.tell("notifications/message", {"data": data})
        request.ear.tell("notifications/message", {"data": "stopped"}, lambda: not fenced)
        request.ear.tell("notifications/message", {"data": "heard"})
        fenced = True
        heard = [(await pipe.heard())["params"]["data"] for _ in range(3)]
        talk.cancel()
    assert heard == ["full", "handed over", "heard"]


async def test_ids_in_work_are_not_taken_twice_and_work_is_bounded() -> None:
    gate = RememberingGate()
    async with talking(gate, concurrency=1) as pipe:
        pipe.call(1, "hang", META)
        await gate.started.wait()
        pipe.call(1, "echo", META)
        twice = await pipe.heard()
        pipe.call(2, "echo", META)
        full = await pipe.heard()
        gate.go.set()
        first = await pipe.heard()
    assert twice["error"]["message"] == "a request of that id is in work"
    assert full["error"]["data"] == {"reason": "overloaded"}
    assert first["id"] == 1
