"""A call that waits for a person, put as a link to visit (2026-07-28): what is answered to it proves nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from gateway.core.model import Endpoint
from tests.system.home import Home
from tests.system.raw import JSON, stateless

POLICY: Final = """
p, P020, tool, tick, work, role:worker, local, general, local, -, allow
p, P021, data, tick, look, role:worker, local, general, local, -, allow
p, O020, tool, tick, work, *, *, *, *, -, approve
p, P310, admin, tick, approve:*, role:boss, local, approve, local, -, allow
g, agent:ann, role:worker, local
g, operator:ada, role:boss, local
"""
TIERS: Final = """
servers:
  tick: {tools: {work: {tier: tool, effect: write}, look: {tier: data, effect: read}}}
"""
LINKS: Final[dict[str, Any]] = {"elicitation": {"url": {}}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    made = Home.ticking(tmp_path_factory.mktemp("approvals"), policy=POLICY, tiers=TIERS)
    with made.serving():
        yield made


def call(home: Home, name: str, capabilities: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The result of a call that writes one line to the file of that name."""
    key = "io.modelcontextprotocol/clientCapabilities"
    arguments = {"name": name, "seconds": 0.001}
    params = {"name": "tick__work", "arguments": arguments, "_meta": {key: capabilities}, **more}
    said = stateless(home.mint("ann", Endpoint("all")), "tools/call", params)
    result: JSON = httpx.post(f"{home.origin}/mcp", timeout=30, **said).json()["result"]
    return result


def told(result: dict[str, Any]) -> str:
    """The ticket, as a model reads it."""
    words: str = result["content"][0]["text"]
    return words.partition("Ticket ")[2].partition(" ")[0]


def done(home: Home, name: str) -> bool:
    return (home.root.parent / "place" / name).exists()


def test_a_link_leads_to_whom_to_ask_and_only_an_operator_gives_leave(home: Home) -> None:
    asked = call(home, "link", LINKS)
    (question,) = asked["inputRequests"].values()
    url, state = question["params"]["url"], asked["requestState"]
    page = httpx.get(url, timeout=30)
    accepted = {"approval": {"action": "accept"}}
    again = call(home, "link", LINKS, requestState=state, inputResponses=accepted)
    before = done(home, "link")
    ticket = told(again)
    home.must("approvals", "approve", ticket, "--yes", "--as", "ada")
    let_go = call(home, "link", LINKS, requestState=state, inputResponses=accepted)
    spent = call(home, "link", LINKS)
    assert asked["resultType"] == "input_required"
    assert (page.status_code, ticket in page.text) == (200, True)
    assert page.headers["content-type"].startswith("text/html")
    assert (again["isError"], before) == (True, False)
    assert (let_go.get("isError", False), done(home, "link")) == (False, True)
    assert spent["resultType"] == "input_required"
    assert spent["requestState"] != state


def test_a_client_that_shows_no_links_reads_its_ticket(home: Home) -> None:
    result = call(home, "plain", {})
    assert result["isError"]
    assert len(told(result)) == 25


def test_what_waits_says_nothing_that_is_not_of_its_tools_output_schema(home: Home) -> None:
    """The TypeScript SDK's client throws such a result away, an error too: its model never heard of the ticket."""
    pin = json.loads((home.root / "policies" / "pins" / "tick.json").read_text())
    assert "outputSchema" in json.dumps(pin)
    assert "structuredContent" not in call(home, "shaped", {})


def test_the_page_says_the_same_of_every_ticket_and_is_nowhere_else(home: Home) -> None:
    known = told(call(home, "page", {}))
    pages = [
        httpx.get(f"{home.origin}/approvals/{ticket}", timeout=30) for ticket in (known, "a" * 25)
    ]
    texts = {page.text.replace(known, "T").replace("a" * 25, "T") for page in pages}
    odd = [
        httpx.get(f"{home.origin}/approvals/{path}", timeout=30).status_code
        for path in ("", "a" * 24, "A" * 25, "a" * 25 + "/x", "%3Cscript%3E")
    ]
    assert len(texts) == 1
    assert odd == [404] * 5
