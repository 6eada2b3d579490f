from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.model import JsonObject, Kind, Target
from gateway.policy.asking import Asked, ask, target
from tests.policy.written import loaded


@pytest.mark.parametrize("kind", ["tool", "prompt", "resource", "template", "method"])
def test_a_name_as_policy_csv_writes_it_leads_back_to_its_target(kind: Kind) -> None:
    meant = Target("git", kind, "a:b/c")
    assert target("git", meant.policy_name) == meant


@pytest.mark.parametrize(
    ("kind", "method", "params"),
    [
        ("tool", "tools/call", {"name": "x", "arguments": {"a": 1}}),
        ("prompt", "prompts/get", {"name": "x", "arguments": {"a": 1}}),
        ("resource", "resources/read", {"uri": "x", "a": 1}),
        ("method", "x", {"a": 1}),
    ],
)
def test_a_call_nobody_made_looks_like_one_an_agent_made(
    kind: Kind, method: str, params: dict[str, object]
) -> None:
    resolved = Asked("agent:ann", Target("git", kind, "x"), {"a": 1}).resolved()
    assert (resolved.request.method, resolved.params) == (method, params)
    assert resolved.request.identity.agent == "agent:ann"


GIVING = """\
p, P1, admin, bulkhead, grants:create|grants:delegate, role:giver, local, general, local, whose, allow
p, O1, admin, bulkhead, grants:*, role:giver, local, general, local, for_bob, approve
g, agent:orla, role:giver, local
"""
WHOSE = """\
conditions:
  whose: {arguments: {on_behalf_of: {equals: on_behalf_of}}}
  for_bob: {arguments: {agent: {const: agent:bob}}}
"""


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({}, "allowed_by_rule"),
        ({"tenant": "local"}, "allowed_by_rule"),
        ({"tenant": "other"}, "no_rule"),
        ({"on_behalf_of": "user:bob"}, "no_rule"),
        ({"tiers": ["data"]}, "allowed_by_rule"),
        ({"tiers": ["admin"]}, "no_rule"),
        ({"agent": "agent:bob"}, "denied_by_rule"),
    ],
    ids=str,
)
@pytest.mark.parametrize("verb", ["create", "delegate"])
def test_a_request_for_a_grant_is_answered_as_the_gateway_answers_it(
    tmp_path: Path, verb: str, said: JsonObject, answer: str
) -> None:
    """A grant that is handed on is held against its parent's tenant, and not by the policy."""
    policy = loaded(tmp_path, GIVING, constraints=WHOSE)
    arguments = {"agent": "agent:ann", "on_behalf_of": "user:ada", **said}
    target = Target("bulkhead", "tool", f"grants:{verb}")
    reply = ask(policy, Asked("agent:orla", target, arguments, on_behalf_of="user:ada"))
    if (verb, "tenant" in said) == ("delegate", True):
        answer = "allowed_by_rule"
    assert str(reply.decision.reason) == answer
    assert reply.decision.permitted is (answer == "allowed_by_rule")
