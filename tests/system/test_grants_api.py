"""Grants over HTTP: an orchestrator gives them, an agent hands its own on, and neither gets more than it may."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import httpx
import pytest
from mcp.types import ToolListChangedNotification

from gateway.core.fence import Fence
from gateway.core.model import Endpoint
from gateway.fences.log import FenceLog
from tests.system import client
from tests.system.home import Home
from tests.system.raw import over_http

DESK: Final = Endpoint("grants")
ALL: Final = Endpoint("all")
POLICY: Final = """
p, P010, data, tick, look, role:worker, local, general, local, -, allow
p, P020, tool, tick, work, role:worker, local, general, local, -, allow
p, P410, admin, bulkhead, grants:create|grants:revoke, role:orchestrator, local, general, local, -, allow
p, P411, admin, bulkhead, grants:list|grants:show, role:orchestrator, local, general, local, -, allow
p, P412, admin, bulkhead, grants:create, role:orchestrator, local, keys, local, -, allow
p, P420, admin, bulkhead, grants:delegate, role:worker, local, general, local, -, allow
p, P421, admin, bulkhead, grants:delegate, role:worker, local, keys, local, -, allow
g, agent:ann, role:worker, local
g, agent:bob, role:worker, local
g, agent:cid, role:worker, local
g, agent:dan, role:worker, local
g, agent:orla, role:orchestrator, local
"""
TIERS: Final = """
flow: lax
servers:
  tick:
    tools:
      look: {tier: data, effect: read}
      work: {tier: tool, effect: write}
"""
INTENTS: Final = json.dumps(
    {
        "intents": {
            "general": {
                "tells": "All of it.",
                "tiers": ["data", "tool", "admin"],
                "tools": ["tick/*"],
                "bounds": {
                    "tick/look": {"properties": {"n": {"maximum": 1000}}},
                    "tick/work": {"properties": {"seconds": {"enum": [0, 1]}}},
                },
                "seconds": 600,
            },
            "keys": {
                "tells": "What only the admin tier has.",
                "tiers": ["admin"],
                "tools": ["tick/*"],
                "seconds": 600,
            },
            "closed": {
                "tells": "Nobody gives this over the network.",
                "tiers": ["data"],
                "tools": ["tick/*"],
                "seconds": 600,
            },
        }
    }
)


def wish(agent: str, task: str, **more: Any) -> dict[str, Any]:
    """What asks for a grant."""
    return {"agent": f"agent:{agent}", "task": task, "intent": "general", **more}


@dataclass(frozen=True)
class Desk:
    """/grants of a gateway that serves."""

    home: Home

    def ask(
        self,
        agent: str,
        path: str = "",
        said: Mapping[str, Any] | None = None,
        task: str = "test",
        endpoint: Endpoint = DESK,
    ) -> tuple[int, dict[str, Any]]:
        """The status and the body of an answer; GET when nothing is said."""
        token = self.home.mint(agent, endpoint, task=task)
        method = "GET" if said is None else "POST"
        url = f"{self.home.origin}/grants{path}"
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.request(method, url, headers=headers, json=said, timeout=30)
        return answer.status_code, answer.json()

    def given(self, agent: str, task: str, **terms: Any) -> str:
        status, grant = self.ask("orla", "", wish(agent, task, **terms))
        assert status == 201, grant
        return str(grant["id"])

    async def heard(self, agent: str, task: str, tool: str = "look", **arguments: Any) -> str:
        """What came of a call: "ok", or the reason."""
        token = self.home.mint(agent, ALL, task=task)
        said = {"name": f"tick__{tool}", "arguments": arguments or {"n": 1}}
        async with over_http(f"{self.home.origin}/mcp", token, "2026-07-28") as ask:
            answer = await ask("tools/call", said)
        return "ok" if "result" in answer else str(answer["error"]["data"]["reason"])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root = tmp_path_factory.mktemp("desk")
    home = Home.ticking(root, policy=POLICY, tiers=TIERS, intents=INTENTS)
    with home.serving():
        yield Desk(home)


def reason(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    status, body = answer
    return status, str(body["error"]["data"]["reason"])


async def test_an_orchestrator_gives_a_grant_looks_at_it_and_ends_it(desk: Desk) -> None:
    grant = desk.given("ann", "life", uses=5, tools=["tick/look"])
    with anyio.fail_after(30):
        before = await desk.heard("ann", "life")
        outside = await desk.heard("ann", "life", "work", name="x", seconds=0)
        _, shown = desk.ask("orla", f"/{grant}")
        _, listed = desk.ask("orla")
        status, ended = desk.ask("orla", f"/{grant}/revoke", {"why": "enough"})
        after = await desk.heard("ann", "life")
    assert (before, outside, after) == ("ok", "outside_grant", "grant_over")
    assert (shown["left"]["uses"], shown["created_by"]) == (4, "agent:orla")
    assert grant in [each["id"] for each in listed["grants"]]
    assert (status, ended["state"], ended["said"]) == (200, "revoked", "agent:orla: enough")
    (made,) = [c for c in desk.home.calls("--grant", grant) if c["method"] == "grants/created"]
    assert (made["agent"], made["rule"]) == ("agent:orla", "P410")


LARGER: Final = {"properties": {"n": {"maximum": 2000}}}
EVEN: Final = {"properties": {"n": {"multipleOf": 2}}}


@pytest.mark.parametrize(
    ("bounds", "heard"),
    [
        ({}, ["ok", "outside_grant", "ok"]),
        ({"tick/*": EVEN}, ["ok", "outside_grant", "outside_grant"]),
        ({"tick/look": EVEN}, ["ok", "outside_grant", "outside_grant"]),
        ({"tick/look": LARGER}, ["ok", "outside_grant", "ok"]),
    ],
    ids=["none", "others", "narrower", "larger"],
)
async def test_bounds_of_an_intent_bind_whatever_bounds_a_grant_has(
    desk: Desk, bounds: dict[str, Any], heard: list[str], request: pytest.FixtureRequest
) -> None:
    task = f"bound-{request.node.callspec.id}"
    desk.given("dan", task, bounds=bounds)
    with anyio.fail_after(30):
        assert [await desk.heard("dan", task, n=n) for n in (1000, 1002, 999)] == heard


def test_a_bound_that_python_takes_for_the_intents_is_not_in_its_place(desk: Desk) -> None:
    alike = {"tick/work": {"properties": {"seconds": {"enum": [False, True]}}}}
    grant = desk.given("dan", "alike", bounds=alike)
    _, shown = desk.ask("orla", f"/{grant}")
    asked = json.dumps([shown["bounds"]["tick/work"], shown["within"]["tick/work"]])
    assert asked.count("enum") == 2 and "[0, 1]" in asked and "[false, true]" in asked


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"bounds": {"tock/look": EVEN}}, (400, "invalid_arguments")),
        ({"tools": ["tick/look"], "bounds": {"tick/work": EVEN}}, (400, "invalid_arguments")),
        ({"burst": 5}, (400, "invalid_arguments")),
    ],
    ids=["no such server", "not given", "no rate"],
)
def test_a_term_that_would_limit_nothing_is_not_taken(
    desk: Desk, terms: dict[str, Any], says: tuple[int, str]
) -> None:
    assert reason(desk.ask("orla", "", wish("dan", "vain", **terms))) == says


@pytest.mark.parametrize("limit", ["uses", "idle"])
async def test_a_session_hears_that_its_list_is_empty_when_nothing_is_left(
    desk: Desk, limit: str
) -> None:
    task, changed = f"ends-by-{limit}", anyio.Event()
    desk.given("ann", task, **{limit: 1})

    async def heard(message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            changed.set()

    url, token = f"{desk.home.origin}/mcp", desk.home.mint("ann", ALL, task=task)
    with anyio.fail_after(30):
        async with client.agent(url, token, "legacy", message_handler=heard) as one:
            before = await one.list_tools()
            await one.call_tool("tick__look", {"n": 1})
            await changed.wait()
            after = await one.list_tools(cache_mode="bypass")
    assert (len(before.tools), len(after.tools)) == (2, 0)


async def test_a_parent_hands_a_narrower_grant_on_and_pays_for_its_child(desk: Desk) -> None:
    parent = desk.given("ann", "big", uses=3)
    said = {"agent": "agent:bob", "task": "part", "tools": ["tick/look"], "uses": 2}
    with anyio.fail_after(30):
        status, child = desk.ask("ann", f"/{parent}/delegate", said, task="big")
        heard = [await desk.heard("bob", "part") for _ in range(3)]
        outside = await desk.heard("bob", "part", "work", name="x", seconds=0)
        _, shown = desk.ask("ann", f"/{parent}", task="big")
    assert (status, child["parent"], child["depth"]) == (201, parent, 2)
    assert (heard, outside) == (["ok", "ok", "grant_spent"], "outside_grant")
    assert shown["left"]["uses"] == 1


@pytest.mark.parametrize(
    "more",
    [
        {"tiers": ["data", "tool"]},
        {"tools": ["tick/*"]},
        {"destinations": ["*"]},
        {"uses": 4},
        {"writes": 2},
        {"bytes": 1001},
        {"per_minute": 61},
        {"burst": 3},
        {"seconds": 500},
        {"idle": 120},
        {"strict_flow": False},
        {"intent": "closed"},
        {"tenant": "elsewhere"},
        {"on_behalf_of": "user:eve"},
        {"agent": "agent:ann"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_no_field_of_a_child_is_wider(desk: Desk, more: dict[str, Any]) -> None:
    terms: dict[str, Any] = {
        "tiers": ["data"],
        "tools": ["tick/look"],
        "destinations": ["local"],
        "uses": 3,
        "writes": 1,
        "bytes": 1000,
        "per_minute": 60,
        "burst": 2,
        "seconds": 400,
        "idle": 60,
        "strict_flow": True,
        "on_behalf_of": "user:ada",
    }
    parent = desk.given("ann", "narrow", **terms)
    status, body = desk.ask("ann", f"/{parent}/delegate", _child(**more), task="narrow")
    assert (status, body["error"]["data"]["reason"]) == (403, "outside_grant"), body
    status, body = desk.ask("ann", f"/{parent}/delegate", _child(), task="narrow")
    assert status == 201, body
    desk.ask("orla", f"/{parent}/revoke", {})


def _child(**more: Any) -> dict[str, Any]:
    return {"agent": "agent:bob", "task": "part-of-narrow", **more}


def test_the_admin_tier_is_not_handed_on_unnamed_either(desk: Desk) -> None:
    """`grants:elevate` is in no rule, and a grant of the admin tier alone has no other to hand on."""
    grant = desk.home.grant("ann", "--intent", "keys", task="unnamed")
    child = {"agent": "agent:bob", "task": "unnamed-part"}
    said: list[dict[str, Any]] = [child, {**child, "tiers": ["admin"]}]
    answers = [desk.ask("ann", f"/{grant}/delegate", each, task="unnamed") for each in said]
    assert [reason(answer) for answer in answers] == [(404, "not_available")] * 2


def test_a_grant_is_handed_on_three_times_and_no_further(desk: Desk) -> None:
    holder, task, grant = "ann", "deep", desk.given("ann", "deep")
    statuses = []
    for number, agent in enumerate(("bob", "cid", "ann", "bob")):
        said = {"agent": f"agent:{agent}", "task": f"deep-{number}"}
        status, child = desk.ask(holder, f"/{grant}/delegate", said, task=task)
        statuses.append(status)
        holder, task, grant = agent, f"deep-{number}", child.get("id", "")
    assert statuses == [201, 201, 201, 403]


def test_who_holds_no_grant_hands_none_on_and_hears_of_none(desk: Desk) -> None:
    grant = desk.given("ann", "mine")
    child = {"agent": "agent:cid", "task": "theirs"}
    unknown = "a" * 16
    answers = [
        desk.ask("dan", f"/{grant}/delegate", child, task="mine"),  # another agent
        desk.ask("ann", f"/{grant}/delegate", child, task="other"),  # its own, of another task
        desk.ask("dan", f"/{grant}"),
        desk.ask("dan", f"/{grant}/revoke", {}),
        desk.ask("dan", f"/{unknown}/revoke", {}),
        desk.ask("dan", f"/{unknown}"),
    ]
    assert [reason(answer) for answer in answers] == [(404, "not_available")] * 6
    bodies = {json.dumps(_without_call(body)) for _, body in answers}
    assert len(bodies) == 1
    assert desk.ask("dan") == (200, {"grants": []})


def _without_call(body: dict[str, Any]) -> dict[str, Any]:
    del body["error"]["data"]["call"]
    return body


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"intent": "closed"}, (404, "not_available")),
        ({"tenant": "elsewhere"}, (404, "not_available")),
        ({"tiers": ["admin"]}, (404, "not_available")),  # grants:elevate is in no rule
        ({"intent": "keys"}, (404, "not_available")),  # it has no other tier
        ({"intent": "unheard-of"}, (404, "not_available")),
        ({"tools": ["other/*"]}, (403, "outside_grant")),
        ({"seconds": 3600}, (403, "outside_grant")),
        ({"uses": "5"}, (400, "invalid_arguments")),
        ({"sudo": True}, (400, "invalid_arguments")),
        ({"agent": "orla"}, (400, "invalid_arguments")),
        ({"agent": "agent:Ann"}, (400, "invalid_arguments")),
        ({"on_behalf_of": "user:ada "}, (400, "invalid_arguments")),
        ({"on_behalf_of": "user:\u202eada"}, (400, "invalid_arguments")),
    ],
    ids=str,
)
def test_an_orchestrator_gives_what_its_rule_and_the_intent_let_it(
    desk: Desk, said: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert reason(desk.ask("orla", "", {**wish("ann", "asked"), **said})) == expected


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"tenant": "elsewhere"}, "tenant elsewhere: no rule lets an agent do that"),
        ({"tiers": ["admin"]}, "no rule allows grants:elevate"),
        ({"intent": "keys"}, "no rule allows grants:elevate"),
        ({"intent": "closed"}, "fails on intent general"),
    ],
    ids=str,
)
def test_the_refusal_of_a_grant_is_explained_as_a_refusal(
    desk: Desk, said: dict[str, Any], why: str
) -> None:
    """The rule for `grants:create` alone would allow some of them."""
    _, body = desk.ask("orla", "", {**wish("ann", "asked"), **said})
    told = desk.home.run("policy", "explain", body["error"]["data"]["call"])
    assert told.returncode == 1
    (answer,) = [
        line for line in told.stdout.splitlines() if line.startswith(("allowed", "denied"))
    ]
    assert answer.startswith("denied    no_rule: ") and why in answer


def test_a_refusal_is_on_record(desk: Desk) -> None:
    status, body = desk.ask("dan", "", wish("ann", "x"))
    (call,) = desk.home.calls("--agent", "agent:dan", "--state", "refused", "--limit", "1")
    assert status == 404
    assert call["call_id"] == body["error"]["data"]["call"]
    assert (call["method"], call["server"]) == ("grants/create", "bulkhead")


def test_a_token_for_another_endpoint_is_no_token_here(desk: Desk) -> None:
    status, _ = desk.ask("orla", endpoint=ALL)
    answer = httpx.get(f"{desk.home.origin}/grants", timeout=30)
    asked = httpx.get(f"{desk.home.origin}/.well-known/oauth-protected-resource/grants", timeout=30)
    assert (status, answer.status_code) == (401, 401)
    assert "oauth-protected-resource/grants" in answer.headers["www-authenticate"]
    assert asked.json()["resource"] == f"{desk.home.origin}/grants"


def test_a_holder_says_that_its_task_is_done(desk: Desk) -> None:
    grant = desk.given("cid", "done")
    status, ended = desk.ask("cid", f"/{grant}/complete", {}, task="done")
    again, _ = desk.ask("cid", f"/{grant}/complete", {}, task="done")
    assert (status, ended["state"], again) == (200, "completed", 403)


def test_who_is_fenced_asks_for_nothing(desk: Desk) -> None:
    log = FenceLog(desk.home.root / ".bulkhead")
    fence = Fence("task", "strange", "operator:ada", "odd", 0)
    log.fence(fence)
    heard = reason(desk.ask("orla", "", wish("ann", "x"), task="strange"))
    log.lift([fence], "operator:ada", "", 0)
    assert heard == (403, "fenced")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/grants"),
        ("DELETE", "/grants/aaaaaaaaaaaaaaaa"),
        ("GET", "/grants/"),
        ("POST", "/grants/aaaaaaaaaaaaaaaa/escalate"),
    ],
)
def test_what_is_no_path_is_not_there(desk: Desk, method: str, path: str) -> None:
    token = desk.home.mint("orla", DESK)
    url = httpx.URL(desk.home.origin).copy_with(raw_path=path.encode())
    answer = httpx.request(method, url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert answer.status_code == 404
