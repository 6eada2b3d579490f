"""Tasks through a real gateway: whoever made one reaches it, on every endpoint; to everybody else there is none."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.core.model import Endpoint
from gateway.stories.stage import free_port
from tests.conformance.cell import SERVER, process
from tests.conformance.speaker import JSON, Speaker
from tests.conformance.tasks import CAPABILITIES, EXTENSION
from tests.system.home import Home, everybody

TIERS = f"""servers:
  {SERVER}:
    tools:
      "*": {{tier: data, effect: read}}
    methods:
      "*": {{tier: data, effect: read}}
"""
LABELLED = f"""flow: lax
servers:
  {SERVER}:
    tools:
      greet: {{tier: data, effect: read, reads: [private, untrusted], egress: false}}
      "*": {{tier: data, effect: read, reads: public, egress: true}}
    methods:
      "*": {{tier: data, effect: read}}
"""
POLICY = everybody([("data", SERVER)]) + "g, agent:other, role:tester, local\n"
ASKING: JSON = {"_meta": {CAPABILITIES: {"extensions": {EXTENSION: {}}, "elicitation": {}}}}
OWN = Endpoint("server", server=SERVER)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    root, port = tmp_path_factory.mktemp("tasks"), free_port()
    words = ["tests.conformance.everything", "--port", str(port)]
    with process(words, port, root / "fixture.log"):
        servers = {SERVER: {"url": f"http://127.0.0.1:{port}/mcp"}}
        home = Home.make(root / "home", servers, policy=POLICY, tiers=TIERS)
        home.approve(SERVER)
        with home.serving():
            yield home


def speaker(home: Home, endpoint: Endpoint, agent: str = "tester") -> Speaker:
    return Speaker(f"{home.origin}{endpoint.path}", "stateless", home.mint(agent, endpoint))


def made(agent: Speaker, name: str = "confirm_delete") -> str:
    told = agent.ask("tools/call", name=name, arguments={"filename": "x"}, **ASKING)
    assert told["resultType"] == "task"
    task_id: str = told["taskId"]
    return task_id


def about(agent: Speaker, method: str, task_id: str, **more: Any) -> JSON:
    return agent.ask(method, taskId=task_id, **more, **ASKING)


def test_a_task_is_looked_at_answered_and_finished_by_whom_it_belongs_to(home: Home) -> None:
    with speaker(home, OWN) as agent:
        task_id = made(agent)
        (key,) = about(agent, "tasks/get", task_id)["inputRequests"]
        answers = {key: {"action": "accept", "content": {"confirm": True}}}
        acked = about(agent, "tasks/update", task_id, inputResponses=answers)
        done = about(agent, "tasks/get", task_id)
    assert acked == {"resultType": "complete"}
    assert done["status"] == "completed"
    assert done["result"]["content"][0]["text"] == "deleted: accept"


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_another_agents_task_sounds_like_none_and_goes_on(home: Home, method: str) -> None:
    with speaker(home, OWN) as agent, speaker(home, OWN, "other") as thief:
        task_id = made(agent)
        stolen = about(thief, method, task_id, inputResponses={})
        nothing = about(thief, method, "no-such-task", inputResponses={})
        still = about(agent, "tasks/get", task_id)
    assert stolen["code"] == nothing["code"] == -32602
    assert stolen["data"]["reason"] == nothing["data"]["reason"] == "not_available"
    assert still["status"] == "input_required"


def test_a_task_made_on_an_aggregate_is_reached_on_every_endpoint_of_its_owner(home: Home) -> None:
    with speaker(home, Endpoint("all")) as agent, speaker(home, OWN) as same:
        task_id = made(agent, f"{SERVER}__confirm_delete")
        assert about(agent, "tasks/get", task_id)["status"] == "input_required"
        assert about(same, "tasks/cancel", task_id) == {"resultType": "complete"}
        assert about(agent, "tasks/get", task_id)["status"] == "cancelled"


def test_a_client_that_did_not_declare_tasks_on_this_request_is_told_so(home: Home) -> None:
    with speaker(home, OWN) as agent:
        said = agent.say("tasks/get", {"taskId": made(agent)})
    error = said["messages"][-1]["error"]
    assert (said["status"], error["code"]) == (400, -32021)
    assert error["data"]["requiredCapabilities"] == {"extensions": {EXTENSION: {}}}


def test_every_word_about_a_task_is_decided_and_recorded_as_the_call_that_made_it(
    home: Home,
) -> None:
    with speaker(home, OWN) as agent:
        about(agent, "tasks/cancel", made(agent))
    newest = home.calls()[0]
    assert (newest["method"], newest["target"]) == ("tasks/cancel", "confirm_delete")


def test_j3_how_a_task_ended_is_on_record_and_so_is_what_it_said_before(home: Home) -> None:
    with speaker(home, OWN) as agent:
        task_id = made(agent)
        (key,) = about(agent, "tasks/get", task_id)["inputRequests"]
        answers = {key: {"action": "accept", "content": {"confirm": True}}}
        about(agent, "tasks/update", task_id, inputResponses=answers)
        about(agent, "tasks/get", task_id)
    polls = [one for one in home.calls() if one["method"] == "tasks/get"][:2]
    last, before = (json.loads(home.must("journal", "show", p["call_id"], "--json")) for p in polls)
    ended = {"task": task_id, "status": "completed"}
    assert last["outcome"] | ended == last["outcome"]
    assert "status" not in before["outcome"]


def test_a_policy_that_no_longer_allows_the_tool_no_longer_allows_its_task(home: Home) -> None:
    file = home.root / "policies" / "policy.csv"
    before = file.read_text()
    with speaker(home, OWN) as agent:
        task_id = made(agent)
        file.write_text(before.replace(f"{SERVER}, *,", f"{SERVER}, greet,"))
        try:
            refused = _until(lambda: "code" in (about(agent, "tasks/get", task_id)))
        finally:
            file.write_text(before)
        again = _until(lambda: "status" in (about(agent, "tasks/get", task_id)))
    assert refused and again


def test_a_task_is_told_nothing_new_once_its_agent_read_what_must_not_go_out(home: Home) -> None:
    file = home.root / "policies" / "tiers.yaml"
    secret = {"action": "accept", "content": {"secret": "s3cr3t"}}
    with speaker(home, OWN) as agent:
        task_id = made(agent)
        (key,) = about(agent, "tasks/get", task_id)["inputRequests"]
        file.write_text(LABELLED)
        try:
            assert _until(lambda: _way_out_is_shut(agent))
            told = about(agent, "tasks/update", task_id, inputResponses={key: secret})
            beside = about(agent, "tasks/get", task_id, more="s3cr3t")
            looked = about(agent, "tasks/get", task_id)
            ended = about(agent, "tasks/cancel", task_id)
        finally:
            file.write_text(TIERS)
    assert told["data"]["reason"] == beside["data"]["reason"] == "flow"
    assert looked["status"] == "input_required"
    assert ended == {"resultType": "complete"}


def test_a_word_about_a_task_is_one_of_its_grants_uses_and_no_second_write(home: Home) -> None:
    policies, written = home.root / "policies", TIERS.replace("effect: read", "effect: write", 1)
    general = {"tells": "x", "tiers": ["data"], "tools": [f"{SERVER}/*"], "seconds": 600}
    (policies / "intents.yaml").write_text(json.dumps({"intents": {"general": general}}))
    (policies / "tiers.yaml").write_text(written)
    try:
        grant = home.grant("tester", "--writes", "1", "--uses", "9", task="once")
        token = home.mint("tester", OWN, "once")
        with Speaker(f"{home.origin}{OWN.path}", "stateless", token) as agent:
            assert _until(lambda: _writes(home))
            task_id = made(agent)
            status = about(agent, "tasks/get", task_id)["status"]
            ended = about(agent, "tasks/cancel", task_id)
            again = agent.ask("tools/call", name="greet", arguments={"name": "x"})
        left = json.loads(home.must("grant", "show", grant, "--json"))["left"]
    finally:
        (policies / "tiers.yaml").write_text(TIERS)
        (policies / "intents.yaml").unlink()
    assert (status, ended) == ("input_required", {"resultType": "complete"})
    assert again["data"]["reason"] == "grant_spent"
    assert (left["writes"], left["uses"]) == (0, 6)


def _writes(home: Home) -> bool:
    """A call of somebody without a grant is one that changes something."""
    with speaker(home, OWN, "other") as other:
        other.ask("tools/call", name="greet", arguments={"name": "x"})
    (call,) = home.calls("--agent", "agent:other", "--limit", "1")
    return bool(call["effect"] == "write")


def _way_out_is_shut(agent: Speaker) -> bool:
    """Reads what is labelled, and tries to let something out by a call of its own."""
    agent.ask("tools/call", name="greet", arguments={"name": "x"})
    out = agent.ask("tools/call", name="confirm_delete", arguments={"filename": "x"}, **ASKING)
    return bool(out.get("data", {}).get("reason") == "flow")


def _until(so: Any, seconds: float = 30) -> bool:
    """Asks again and again: a policy file is taken up soon, not at once."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if so():
            return True
    return False
