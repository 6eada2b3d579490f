"""Two tool servers that list the very same things, on one endpoint: each is told apart, and reached, in either era."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.core.model import Endpoint
from gateway.stories.stage import free_port
from tests.conformance.cell import process
from tests.conformance.speaker import JSON, Speaker
from tests.system.home import Home, everybody, one_tier

ERAS = ("sessions", "stateless")
BOTH = ("left", "right")
ALL = Endpoint("all")
UNLISTED = "unlisted://here/a"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    root = tmp_path_factory.mktemp("aggregate")
    ports = [free_port(), free_port()]
    words = ["tests.conformance.everything", "--port"]
    with (
        process([*words, str(ports[0])], ports[0], root / "left.log"),
        process([*words, str(ports[1])], ports[1], root / "right.log"),
    ):
        servers = {
            name: {"url": f"http://127.0.0.1:{port}/mcp", "pin_resources": name == "left"}
            for name, port in zip(BOTH, ports, strict=True)
        }
        tiers = one_tier("left") + one_tier("right").removeprefix("servers:\n")
        policy = everybody([("data", name) for name in BOTH])
        policy += "".join(
            f"g, agent:{name}, role:tester, local\n" for name in ("first", "second", "third")
        )
        home = Home.make(root / "home", servers, policy=policy, tiers=tiers)
        home.approve(*BOTH)
        with home.serving():
            yield home


@pytest.fixture(params=ERAS)
def agent(request: pytest.FixtureRequest, home: Home) -> Iterator[Speaker]:
    with speaker(home, request.param) as one:
        yield one


def speaker(home: Home, era: str = "stateless", name: str = "tester") -> Speaker:
    return Speaker(f"{home.origin}/mcp", era, home.mint(name, ALL))


def texts(result: JSON) -> list[Any]:
    return [one.get("text") for one in result["contents"]]


def test_every_uri_two_servers_list_stands_there_once_for_each(agent: Speaker) -> None:
    listed = {one["uri"] for one in agent.ask("resources/list")["resources"]}
    assert {"test://left~static-text", "test://right~static-text"} <= listed
    assert not any(uri.startswith("test://static") for uri in listed)


def test_a_resource_told_apart_is_read_at_its_server_and_answered_under_the_name_asked_for(
    agent: Speaker,
) -> None:
    for name in BOTH:
        read = agent.ask("resources/read", uri=f"test://{name}~static-text")
        assert texts(read) == ["This is the content of the static text resource."]
        assert read["contents"][0]["uri"] == f"test://{name}~static-text"


def test_the_name_two_servers_claim_is_nobodys(agent: Speaker) -> None:
    error = agent.ask("resources/read", uri="test://static-text")
    assert error["code"] == -32602 and error["data"]["reason"] == "not_available"


def test_templates_told_apart_are_read_and_completed_at_their_server(agent: Speaker) -> None:
    listed = agent.ask("resources/templates/list")["resourceTemplates"]
    assert [one["uriTemplate"] for one in listed] == [
        "test://left~template/{id}/data",
        "test://right~template/{id}/data",
    ]
    read = agent.ask("resources/read", uri="test://right~template/7/data")
    assert '"id": "7"' in texts(read)[0]
    assert read["contents"][0]["uri"] == "test://right~template/7/data"
    ref = {"type": "ref/resource", "uri": "test://left~template/{id}/data"}
    asked = agent.ask("completion/complete", ref=ref, argument={"name": "id", "value": "1"})
    assert asked["completion"]["values"] == []


def test_a_link_in_a_result_leads_to_the_server_that_gave_it(agent: Speaker) -> None:
    name = "left__test_resource_links"
    told = agent.ask("tools/call", name=name, arguments={})["content"]
    assert [one.get("uri") or one["resource"]["uri"] for one in told] == [
        "test://left~static-text",
        "test://left~template/9/data",
        "test://left~watched-resource",
        UNLISTED,
    ]


def test_an_unlisted_link_leads_to_its_server_for_whom_it_was_told_and_for_nobody_else(
    home: Home,
) -> None:
    with speaker(home, name="first") as first, speaker(home, name="second") as second:
        before = first.ask("resources/read", uri=UNLISTED)
        first.ask("tools/call", name="right__test_resource_links", arguments={})
        mine = first.ask("resources/read", uri=UNLISTED)
        theirs = second.ask("resources/read", uri=UNLISTED)
        # Another server's link of the same name is told apart from the one this agent has.
        told = first.ask("tools/call", name="left__test_resource_links", arguments={})
        pinned = first.ask("resources/read", uri="unlisted://left~here/a")
    assert "Unknown resource" in mine["message"], "the server itself says that it has none"
    assert [one["data"]["reason"] for one in (before, theirs, pinned)] == ["not_available"] * 3
    assert told["content"][-1]["uri"] == "unlisted://left~here/a"
    reached = [call for call in home.calls() if call["target"] == f"resource:{UNLISTED}"]
    assert {(call["server"], call["agent"]) for call in reached} == {("right", "agent:first")}


def test_an_unlisted_link_can_be_subscribed_to_by_whom_it_was_told(home: Home) -> None:
    with speaker(home, "sessions", "third") as third:
        before = third.ask("resources/subscribe", uri=UNLISTED)
        third.ask("tools/call", name="right__test_resource_links", arguments={})
        after = third.say("resources/subscribe", {"uri": UNLISTED})
    assert before["data"]["reason"] == "not_available"
    assert after["messages"][-1]["result"] == {}


def test_prompts_of_both_are_there_with_what_they_embed(agent: Speaker) -> None:
    names = {one["name"] for one in agent.ask("prompts/list")["prompts"]}
    assert {"left__test_simple_prompt", "right__test_simple_prompt"} <= names
    got = agent.ask(
        "prompts/get",
        name="right__test_prompt_with_embedded_resource",
        arguments={"resourceUri": "test://static-text"},
    )
    assert got["messages"][0]["content"]["resource"]["uri"] == "test://right~static-text"
    ref = {"type": "ref/prompt", "name": "left__test_prompt_with_arguments"}
    asked = agent.ask("completion/complete", ref=ref, argument={"name": "arg1", "value": ""})
    assert asked["completion"]["values"] == []


@pytest.mark.parametrize("cursor", ["", "x", "AAAA"])
def test_a_cursor_nobody_made_is_invalid_params(agent: Speaker, cursor: str) -> None:
    assert agent.ask("tools/list", cursor=cursor)["code"] == -32602


def test_what_both_can_do_is_said_of_both_together(agent: Speaker) -> None:
    said = agent.hello["messages"][-1] if "messages" in agent.hello else agent.hello
    capabilities = said["result"]["capabilities"]
    wanted = {"tools", "prompts", "resources", "completions", "extensions"}
    assert wanted <= capabilities.keys()
    assert list(capabilities["extensions"]) == ["io.modelcontextprotocol/tasks"]


def test_vendor_methods_are_for_the_servers_own_endpoint(agent: Speaker) -> None:
    assert agent.ask("vendor/echo", a=1)["code"] == -32601
