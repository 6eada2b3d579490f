"""Two gateway processes behind a round-robin answer every stateless request alike (checklist S1).

They share a state directory and policies. Each request travels on a connection of its own, so that of
two in a row each gateway gets one.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.model import Endpoint
from gateway.stories.stage import free_port
from tests.conformance.cell import Eras, process
from tests.conformance.speaker import JSON, Speaker
from tests.conformance.tasks import CAPABILITIES, EXTENSION
from tests.system.home import Home, everybody, one_tier

CELLS: tuple[Eras, ...] = ("sessions", "stateless")
SERVER = "every"
OWN, ALL = Endpoint("server", server=SERVER), Endpoint("all")
CAN: JSON = {"elicitation": {}, "extensions": {EXTENSION: {}}}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two gateways, as one address."""

    home: Home
    era: Eras

    def speaker(self, endpoint: Endpoint = OWN) -> Speaker:
        token = self.home.mint("tester", endpoint)
        return Speaker(f"{self.home.origin}{endpoint.path}", "stateless", token, anew=True)


def second(home: Home) -> Home:
    """Another gateway of the same state directory and policies."""
    root = home.root / "second"
    root.mkdir()
    other = Home(root, free_port())
    tree = json.loads(home.config.read_text())
    places = {"policies": "../policies", "state": "../.bulkhead"}
    other.config.write_text(json.dumps({**tree, **places, "listen": f"127.0.0.1:{other.port}"}))
    return other


@pytest.fixture(scope="module", params=CELLS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    root, era = tmp_path_factory.mktemp(request.param), request.param
    front, port = free_port(), free_port()
    fixture = ["tests.conformance.everything", "--port", str(port), "--era", era]
    with process(fixture, port, root / "fixture.log"):
        public = f"http://127.0.0.1:{front}"
        one = Home.make(
            root / "home",
            {SERVER: {"url": f"http://127.0.0.1:{port}/mcp", "pin_resources": False}},
            policy=everybody([("data", SERVER)]),
            tiers=one_tier(SERVER),
            public_url=public,
        )
        one.approve(SERVER)
        other = second(one)
        words = ["tests.system.round_robin", *(str(p) for p in (front, one.port, other.port))]
        with one.serving(), other.serving(), process(words, front, root / "front.log"):
            yield Pair(Home(one.root, front), era)


REQUESTS: list[tuple[str, JSON]] = [
    ("server/discover", {}),
    ("tools/list", {}),
    ("prompts/list", {}),
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("tools/call", {"name": "test_simple_text", "arguments": {}}),
    ("tools/call", {"name": "test_error_handling", "arguments": {}}),
    ("tools/call", {"name": "test_image_content", "arguments": {}}),
    ("tools/call", {"name": "no_such_tool", "arguments": {}}),
    ("tools/call", {"name": "greet", "arguments": {"name": 5}}),
    ("prompts/get", {"name": "test_simple_prompt"}),
    ("resources/read", {"uri": "test://static-text"}),
    ("resources/read", {"uri": "test://template/7/data"}),
    ("resources/read", {"uri": "test://nowhere"}),
    ("tasks/get", {"taskId": "no-such-task"}),
    ("no/such/method", {}),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"},
            "argument": {"name": "arg1", "value": ""},
        },
    ),
]


def without_ids(said: Any) -> Any:
    """An answer without what is new each time: its id, and the id of the call in the journal."""
    if isinstance(said, dict):
        return {key: without_ids(one) for key, one in said.items() if key not in ("id", "call")}
    if isinstance(said, str):
        return re.sub(r"call [a-z2-7]{16}", "call", said)
    return [without_ids(one) for one in said] if isinstance(said, list) else said


def test_s1_both_answer_alike(pair: Pair) -> None:
    unlike = {}
    with pair.speaker() as agent:
        for method, params in REQUESTS:
            one, other = (without_ids(agent.say(method, params)) for _ in range(2))
            if one != other:
                unlike[method, str(params)] = (one, other)
    assert unlike == {}


def test_s1_a_page_continues_at_whichever_gateway_is_asked(pair: Pair) -> None:
    names: list[list[str]] = []
    with pair.speaker(ALL) as agent:
        for _ in range(2):
            listed: list[str] = []
            cursor: JSON = {}
            while True:
                page = agent.ask("tools/list", **cursor)
                listed += [one["name"] for one in page["tools"]]
                if "nextCursor" not in page:
                    break
                cursor = {"cursor": page["nextCursor"]}
            names.append(listed)
    assert names[0] == names[1]
    assert len(names[0]) == len(set(names[0])) > 20


def test_s1_a_task_is_its_owners_at_whichever_gateway_is_asked(pair: Pair) -> None:
    if pair.era == "sessions":
        pytest.skip("a server of the sessions era has no tasks of the extension")
    meta: JSON = {"_meta": {CAPABILITIES: CAN}}
    with pair.speaker() as agent:
        made = agent.ask("tools/call", name="confirm_delete", arguments={"filename": "x"}, **meta)
        id = made["taskId"]
        states = [agent.ask("tasks/get", taskId=id, **meta)["status"] for _ in range(2)]
        cancelled = [agent.ask("tasks/cancel", taskId=id, **meta) for _ in range(2)]
    assert states == ["input_required"] * 2
    assert cancelled[0] == {"resultType": "complete"}


def test_s1_an_unlisted_link_leads_on_at_whichever_gateway_is_asked(pair: Pair) -> None:
    with pair.speaker(ALL) as agent:
        told = agent.ask("tools/call", name=f"{SERVER}__test_resource_links", arguments={})
        uri = told["content"][-1]["uri"]
        read = [agent.ask("resources/read", uri=uri) for _ in range(2)]
    assert [one["message"] for one in read] == [f"Unknown resource: {uri}"] * 2


def test_s1_a_parked_call_says_clearly_that_it_waits_elsewhere(pair: Pair) -> None:
    tool = "test_input_required_result_elicitation"
    meta: JSON = {"_meta": {CAPABILITIES: CAN}}

    with pair.speaker() as agent:

        def call(**more: Any) -> JSON:
            return agent.ask("tools/call", name=tool, arguments={}, **meta, **more)

        first = call()
        [key] = first["inputRequests"]
        said = {key: {"action": "accept", "content": {"name": "Ada"}}}
        states = {name: first[name] for name in ("requestState",) if name in first}
        elsewhere = call(inputResponses=said, **states)
        here = call(inputResponses=said, **states)
    if pair.era == "stateless":
        assert "content" in elsewhere and "content" in here
        return
    assert elsewhere["data"]["reason"] == "parked_elsewhere"
    assert "another gateway process" in elsewhere["message"]
    assert "Ada" in here["content"][0]["text"]


def test_the_round_robin_gives_each_gateway_its_share(pair: Pair) -> None:
    """Without this none of the above would show anything."""
    with pair.speaker() as agent:
        for _ in range(4):
            agent.ask("tools/call", name="test_simple_text", arguments={})
    runs = set()
    for call in itertools.islice(pair.home.calls(), 4):
        shown = json.loads(pair.home.must("journal", "show", call["call_id"], "--json"))
        runs.add(json.dumps(shown).partition('"run": "')[2].partition('"')[0])
    assert len(runs - {""}) == 2
