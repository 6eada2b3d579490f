from __future__ import annotations

import pytest

from gateway.core.model import Kind, Target
from gateway.policy.asking import Asked, target


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
