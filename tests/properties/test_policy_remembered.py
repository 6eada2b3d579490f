"""A decision remembered is the decision made anew, whatever was asked before and whatever policy came after."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.core.model import AccessRequest, Effect, Tier
from gateway.policy import PolicySnapshot, verdicts
from gateway.policy.verdicts import Verdicts
from gateway.values import replace
from tests.policy.written import loaded
from tests.properties.test_policy_differential import CONSTRAINTS, TIERS, a_policy, a_request

POLICIES = 12
REQUESTS = 300


def _anew(policy: PolicySnapshot, asked: AccessRequest) -> object:
    pdp = policy.pdp
    unasked = Verdicts(pdp.index, pdp.verdicts.engine)
    return replace(pdp, verdicts=unasked).decide(asked)


def _policy(tmp_path: Path, dice: random.Random) -> tuple[PolicySnapshot, list[AccessRequest]]:
    rules, members = a_policy(dice)
    csv = "".join(f"p, {', '.join(rule)}\n" for rule in rules)
    csv += "".join(f"g, {', '.join(member)}\n" for member in sorted(members))
    asking = [a_request(dice, rules, members) for _ in range(REQUESTS)]
    return loaded(tmp_path, csv, TIERS, CONSTRAINTS), asking


@pytest.mark.parametrize("most", [verdicts.MOST, 3])
def test_over_changing_policies_every_remembered_decision_is_the_one_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(verdicts, "MOST", most)
    dice = random.Random(most)
    for _ in range(POLICIES):
        policy, asking = _policy(tmp_path, dice)
        lists = [replace(asked, arguments=None) for asked in asking[:40]]
        for asked in (*asking, *lists, *reversed(asking)):
            assert policy.decide(asked) == _anew(policy, asked)


RULE = "p, P1, data, git, get_a, role:x, one, general, local, short, allow\n"
ASKED = AccessRequest(
    subject="agent:a",
    tenant="one",
    intent="general",
    tier=Tier.DATA,
    server="git",
    tool="get_a",
    destination="local",
    effect=Effect.READ,
    arguments={"m": "no"},
)
OTHER: dict[str, object] = {
    "subject": "agent:b",
    "tenant": "two",
    "intent": "triage",
    "tier": Tier.TOOL,
    "server": "web",
    "tool": "get_b",
    "destination": "a.example",
    "arguments": {"m": "long"},
}


@pytest.mark.parametrize("member", OTHER)
def test_what_was_permitted_says_nothing_of_a_question_that_differs_in_one_member(
    tmp_path: Path, member: str
) -> None:
    csv = RULE + "g, agent:a, role:x, one\n"
    policy = loaded(tmp_path, csv, TIERS, CONSTRAINTS)
    assert policy.decide(ASKED).permitted
    other = replace(ASKED, **{member: OTHER[member]})  # type: ignore[arg-type]
    assert not policy.decide(other).permitted
    assert policy.decide(ASKED).permitted


def test_each_member_of_a_question_was_tried() -> None:
    # What a rule cannot name is looked at by conditions, whose outcome is tried with the arguments.
    by_conditions = {"effect", "task", "level", "guard", "on_behalf_of"}
    assert {*AccessRequest.__struct_fields__} == {*OTHER, *by_conditions}


def test_two_agents_of_the_same_roles_share_a_decision_and_a_third_has_none(
    tmp_path: Path,
) -> None:
    csv = RULE + "g, agent:a, role:x, one\ng, agent:c, role:x, one\n"
    policy = loaded(tmp_path, csv, TIERS, CONSTRAINTS)
    found = [policy.decide(replace(ASKED, subject=f"agent:{name}")).permitted for name in "acb"]
    assert found == [True, True, False]
