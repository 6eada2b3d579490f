from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.decide import question
from gateway.core.grant import Grant
from gateway.core.model import Entry, Request, Resolved, Target
from gateway.errors import Refused
from gateway.gate.views import visible
from gateway.line.bounds import Bounds
from gateway.policy import PolicySnapshot
from tests.free import NoFences
from tests.grants.given import call, grant
from tests.grants.test_book import World
from tests.policy.written import READER, loaded

TIERS = "servers: {web: {tools: {get: {tier: data, effect: read, destination: {argument: url}}}}}"
HOSTS = ("x.example", "y.example", "deep.x.example", "other.invalid")
GET = Entry(Target("web", "tool", "get"), "web__get", {}, "sha256:0")


def request_for(host: str) -> Request:
    asked = call("ann", "get", server="web", arguments={"url": f"https://{host}/"})
    return asked.resolved.request


def can_be_called(policy: PolicySnapshot, bounds: Bounds, host: str) -> bool:
    request = request_for(host)
    classified = policy.classify(Resolved(request, GET.target, GET, request.params))
    try:
        bounds.cover(classified, ())
    except Refused:
        return False
    return policy.decide(question(classified)).permitted


@pytest.mark.parametrize("by_rule", ["*", "*.example", "x.example", "*.x.example|y.example"])
@pytest.mark.parametrize("denied", ["", "x.example", "*.x.example"])
@pytest.mark.parametrize("by_root", ["*", "*.example", "x.example", "local"])
@pytest.mark.parametrize("by_grant", ["*", "*.x.example", "y.example"])
def test_a_tool_is_listed_if_the_grant_and_the_rules_let_it_go_anywhere_at_all(
    tmp_path: Path, by_rule: str, denied: str, by_root: str, by_grant: str
) -> None:
    rules = [f"p, P1, data, web, get, role:reader, local, general, {by_rule}, -, allow", READER]
    rules += [f"p, D1, *, *, *, *, *, *, {denied}, -, deny"] if denied else []
    policy = loaded(tmp_path, "\n".join(rules), TIERS)
    root: Grant = grant("boss", tools=("web/*",), destinations=(by_root,))
    own = grant("ann", root, tools=("web/*",), destinations=(by_grant,))
    bounds = Bounds(World(root, own).book, NoFences())
    shown = visible(policy, bounds, request_for("x.example"))(GET)
    assert shown is any(can_be_called(policy, bounds, host) for host in HOSTS)
