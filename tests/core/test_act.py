"""What an act's record says, and what it leaves empty."""

from __future__ import annotations

from gateway.core.act import of_act
from gateway.errors import Where
from gateway.values import as_plain


def test_an_act_has_what_is_said_of_it_and_nothing_of_a_call() -> None:
    made = of_act(
        "c1",
        "operator:ada",
        "fences/fenced",
        ({"why": "x"}, "sha256:d"),
        tenant="local",
        target="task t",
        rule=None,
        where=Where("policies/policy.csv", 3),
    )
    said = {name: value for name, value in as_plain(made).items() if value}
    assert said == {
        "call_id": "c1",
        "agent": "operator:ada",
        "tenant": "local",
        "method": "fences/fenced",
        "target": "task t",
        "where": "policies/policy.csv:3",
        "arguments": {"why": "x"},
        "arguments_digest": "sha256:d",
    }
