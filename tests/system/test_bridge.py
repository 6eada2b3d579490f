"""A real gateway between real clients and real servers of the other era (checklist B2, B3, H6, H8, H9, L1, L5, O6)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from mcp import Client, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult

from gateway.core.model import Endpoint
from tests.conformance.cell import SERVER, Cell, Eras, cell
from tests.servers import sdk_asks
from tests.servers.clients import command_of
from tests.servers.http_sdk import World, sdk_server
from tests.system.client import agent as sdk_agent
from tests.system.home import Home, Serving, everybody, one_tier
from tests.system.raw import JSON, stateless

ASKED_ALL: JSON = {"elicitation": {}, "sampling": {}, "roots": {}}
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
CELLS: tuple[Eras, ...] = ("sessions", "stateless")


@pytest.fixture(scope="module", params=CELLS)
def everything(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cell]:
    """The everything server in one era, behind a gateway."""
    with cell(tmp_path_factory.mktemp(request.param), request.param) as there:
        yield there


class Agent:
    """A stateless agent by hand."""

    def __init__(self, url: str, token: str, http: httpx2.AsyncClient) -> None:
        self._url, self._token, self._http = url, token, http
        self._ids = 0

    def _request(self, method: str, params: JSON) -> JSON:
        self._ids += 1
        meta = {CAPABILITIES: ASKED_ALL, **params.get("_meta", {})}
        return stateless(self._token, method, {**params, "_meta": meta}, self._ids)

    async def call(self, name: str, **params: Any) -> JSON:
        """The response to one tool call."""
        params = {"name": name, "arguments": {}, **params}
        reply = await self._http.post(self._url, **self._request("tools/call", params))
        text = reply.text
        if not text.startswith("{"):
            text = next(line[6:] for line in reversed(text.split("\n")) if '"id"' in line)
        answer: JSON = json.loads(text)
        return answer

    @asynccontextmanager
    async def stream(self, method: str, params: JSON) -> AsyncIterator[AsyncIterator[JSON]]:
        """The messages of one request as they come."""
        said = self._request(method, params)
        async with self._http.stream("POST", self._url, **said) as reply:
            yield self._messages(reply)

    async def _messages(self, reply: httpx2.Response) -> AsyncIterator[JSON]:
        async for line in reply.aiter_lines():
            if line.startswith("data: {"):
                yield json.loads(line[6:])


@asynccontextmanager
async def agent(home: Home, server: str = SERVER, name: str = "tester") -> AsyncIterator[Agent]:
    endpoint = Endpoint("server", server=server)
    async with httpx2.AsyncClient(timeout=30) as http, asyncio.timeout(30):
        yield Agent(f"{home.origin}{endpoint.path}", home.mint(name, endpoint), http)


async def test_b2_questions_of_either_era_are_answered_by_a_stateless_agent(
    everything: Cell,
) -> None:
    tool = "test_input_required_result_multiple_inputs"
    answers = {
        "elicitation/create": {"action": "accept", "content": {"name": "Ada"}},
        "sampling/createMessage": {
            "role": "assistant",
            "content": {"type": "text", "text": "hi"},
            "model": "m",
        },
        "roots/list": {"roots": [{"uri": "file:///x", "name": "x"}]},
    }
    async with agent(everything.home) as one:
        first = (await one.call(tool))["result"]
        responses = {key: answers[asked["method"]] for key, asked in first["inputRequests"].items()}
        second = await one.call(tool, inputResponses=responses, requestState=first["requestState"])
        lines = await asyncio.to_thread(everything.home.calls)
    assert {asked["method"] for asked in first["inputRequests"].values()} == set(answers)
    assert second["result"]["content"][0]["text"] == "All inputs received."
    recorded = [one for one in lines if one["target"] == tool]
    assert len(recorded) == 2  # each request is decided and recorded by itself


async def test_s3_a_tampered_state_is_refused_whichever_era_it_came_from(everything: Cell) -> None:
    tool = "test_input_required_result_tampered_state"
    async with agent(everything.home) as one:
        first = (await one.call(tool))["result"]
        state = first["requestState"]
        forged = state[:-6] + ("A" if state[-6] != "A" else "B") + state[-5:]
        key = next(iter(first["inputRequests"]))
        said = {key: {"action": "accept", "content": {"ok": True}}}
        second = await one.call(tool, inputResponses=said, requestState=forged)
    assert second["error"]["code"] == -32602


ERAS = ("sessions", "stateless")


@asynccontextmanager
async def fronted(root: Path) -> AsyncIterator[tuple[Home, dict[str, World]]]:
    """An SDK server of each era in this process, which remembers, behind one gateway."""
    async with sdk_server("sessions") as (old, older), sdk_server("stateless") as (new, newer):
        urls = {"sessions": {"url": old}, "stateless": {"url": new}}
        tiers = "servers:\n" + "".join(one_tier(era).partition("\n")[2] for era in ERAS)
        policy = everybody([("data", era) for era in ERAS])
        home = Home.make(root, urls, policy=policy, tiers=tiers)
        await asyncio.to_thread(home.approve, *ERAS)
        place = home.serving()
        serving: Serving = await asyncio.to_thread(place.__enter__)
        try:
            yield serving.home, {"sessions": older, "stateless": newer}
        finally:
            await asyncio.to_thread(place.__exit__, None, None, None)


async def test_h6_an_agent_that_hangs_up_cancels_the_call_at_the_server(tmp_path: Path) -> None:
    after: dict[str, set[str]] = {}
    async with fronted(tmp_path / "home") as (home, worlds):
        for era, world in worlds.items():
            async with agent(home, era) as one:
                going = asyncio.create_task(one.call("hang"))
                await world.started.wait()
                going.cancel()
                await world.cancelled.wait()
                await asyncio.wait({going})
            methods = world.methods()
            after[era] = set(methods[methods.index("tools/call") + 1 :])
    assert after["sessions"] <= {"notifications/cancelled"}
    assert after["stateless"] == set()


async def test_h8_progress_comes_in_order_before_the_answer(tmp_path: Path) -> None:
    params = {"name": "steps", "arguments": {}, "_meta": {"progressToken": "t\u00e9"}}
    heard: dict[str, list[JSON]] = {}
    async with fronted(tmp_path / "home") as (home, worlds):
        for era in worlds:
            async with agent(home, era) as one, one.stream("tools/call", params) as messages:
                heard[era] = [message async for message in messages]
    for each in heard.values():
        told = [(m["params"]["progressToken"], m["params"]["progress"]) for m in each[:-1]]
        assert told == [("t\u00e9", n) for n in (1, 2, 3)]
        assert "result" in each[-1]


async def test_l1_l3_a_stateless_agent_hears_of_the_resource_it_listens_to(tmp_path: Path) -> None:
    uri = "test://watched"
    wanted = {"toolsListChanged": True, "resourceSubscriptions": [uri, "test://not-there"]}
    heard: dict[str, list[JSON]] = {}
    async with fronted(tmp_path / "home") as (home, worlds):
        for era in worlds:
            listen = {"notifications": wanted}
            async with agent(home, era) as one, one.stream("subscriptions/listen", listen) as told:
                acknowledged = await anext(told)
                await one.call("touch", arguments={"uri": "test://other"})
                await one.call("touch", arguments={"uri": uri})
                heard[era] = [acknowledged["params"], (await anext(told))["params"]]
        lines = await asyncio.to_thread(home.calls)
    id = "io.modelcontextprotocol/subscriptionId"
    for acknowledged, updated in heard.values():
        honoured = {"toolsListChanged": True, "resourceSubscriptions": [uri]}
        assert acknowledged["notifications"] == honoured
        assert updated["uri"] == uri
        assert updated["_meta"][id] == acknowledged["_meta"][id]
    asked = [(o["target"], o["state"]) for o in lines if o["method"] == "resources/subscribe"]
    once = [(f"resource:{uri}", "applied"), ("test://not-there", "refused")]
    assert sorted(asked) == sorted(once * 2)


async def test_l5_a_withdrawn_approval_is_told_to_who_saw_the_tool(tmp_path: Path) -> None:
    wanted = {"notifications": {"toolsListChanged": True, "promptsListChanged": True}}
    async with fronted(tmp_path / "home") as (home, _), agent(home, "stateless") as one:
        async with one.stream("subscriptions/listen", wanted) as messages:
            await anext(messages)
            pins = home.root / "policies" / "pins" / "stateless.json"
            pins.write_text(json.dumps(without_echo(json.loads(pins.read_text()))))
            told = await anext(messages)
    assert told["method"] == "notifications/tools/list_changed"


async def answers(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """The SDK's elicitation callback."""
    return ElicitResult(action="accept", content={"name": "Ada"})


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A server of the SDK over stdio, which speaks both eras, behind a gateway."""
    root = tmp_path_factory.mktemp("asking")
    command = [sys.executable, str(sdk_asks.__file__), str(root)]
    home = Home.make(
        root,
        {"asks": {"command": command, "environment": {"inherit": ["PATH", "PYTHONPATH"]}}},
        policy=everybody([("data", "asks")]),
        tiers=one_tier("asks"),
    )
    home.approve("asks")
    return home


async def told(client: Client) -> list[str]:
    """What an agent hears that is asked in the middle of a call, and calls before and after."""
    calls: list[tuple[str, JSON]] = [("keep", {"word": "a"}), ("ask", {}), ("keep", {"word": "b"})]
    results = [await client.call_tool(name, arguments) for name, arguments in calls]
    return [result.content[0].text for result in results]  # type: ignore[union-attr]


async def test_a_session_is_asked_by_a_stdio_server_of_both_eras_over_http(asking: Home) -> None:
    endpoint = Endpoint("server", server="asks")
    url, token = asking.origin + endpoint.path, asking.mint("tester", endpoint)
    place = asking.serving()
    await asyncio.to_thread(place.__enter__)
    try:
        async with asyncio.timeout(60):
            async with sdk_agent(url, token, "legacy", elicitation_callback=answers) as client:
                heard, while_open = await told(client), processes(asking)
            async with sdk_agent(url, token, "legacy") as mute:
                await mute.call_tool("keep", {"word": "c"})
            while len(processes(asking)) > 1:
                await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(place.__exit__, None, None, None)
    assert heard == ["a", "Ada", "a b"]
    assert len(while_open) == 2


async def test_a_host_is_asked_by_a_stdio_server_of_both_eras_over_stdio(asking: Home) -> None:
    words = ["-m", "gateway", "stdio", "--agent", "tester", "--server", "asks"]
    root = str(Path(__file__).parents[2])
    host = StdioServerParameters(
        command=sys.executable, args=[*words, "--config", str(asking.config)], cwd=root
    )
    async with (
        asyncio.timeout(60),
        Client(host, mode="legacy", elicitation_callback=answers) as client,
    ):
        heard = await told(client)
    assert heard == ["a", "Ada", "a b"]


def processes(home: Home) -> list[int]:
    """Those of its server."""
    return [one.pid for one in psutil.process_iter() if command_of(one)[2:] == [str(home.root)]]


def without_echo(value: Any) -> Any:
    """Pins without those of one tool, whatever stands around them."""
    if isinstance(value, dict):
        return {key: without_echo(one) for key, one in value.items() if "echo" not in key}
    if isinstance(value, list):
        return [without_echo(one) for one in value if "'name': 'echo'" not in str(one)]
    return value
