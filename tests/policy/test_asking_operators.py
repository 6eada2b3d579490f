"""Operators as subjects: asked about inverse calls only, and never mistaken for an agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.model import AccessRequest, Effect, Target, Tier
from gateway.policy import load
from gateway.policy.asking import Asked, ask
from gateway.policy.explain import explain
from gateway.policy.lint import lint
from gateway.reasons import Reason
from gateway.settings import ServerSettings
from gateway.values import replace
from tests.policy.written import ALLOW, READER, TIERS, loaded

POLICIES = Path(__file__).resolve().parents[2] / "policies"
QUESTION = AccessRequest(
    subject="operator:keeper",
    tenant="local",
    intent="undo",
    tier=Tier.ADMIN,
    server="files",
    tool="undo:file_put",
    destination="local",
    effect=Effect.DESTROY,
    arguments={"path": "/srv/a"},
)


def test_the_starter_policy_lets_its_operator_undo() -> None:
    decision = load(POLICIES, {}).decide(QUESTION)
    assert (decision.permitted, decision.rule) == (True, "P320")


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "operator:keeper2"},
        {"subject": "agent:keeper"},
        {"subject": "agent:operator:keeper"},
        {"tool": "file_put"},
        {"tool": "write_file"},
        {"tier": Tier.TOOL},
        {"intent": "general"},
        {"server": "time"},
        {"tenant": "other"},
    ],
)
def test_nobody_else_and_nothing_else(change: dict[str, str]) -> None:
    assert not load(POLICIES, {}).decide(replace(QUESTION, **change)).permitted  # type: ignore[arg-type]


@pytest.mark.parametrize("subject", ["keeper", "role:operator", "OPERATOR:keeper", "operators:x"])
def test_a_subject_of_no_known_kind_is_no_question(subject: str) -> None:
    decision = load(POLICIES, {}).decide(replace(QUESTION, subject=subject))
    assert (decision.permitted, decision.reason) == (False, Reason.DECISION_FAILED)


def test_a_case_about_an_operator_is_asked_as_an_inverse_call_is() -> None:
    reply = ask(
        load(POLICIES, {}),
        Asked("operator:keeper", Target("memory", "tool", "undo:delete_entities"), intent="undo"),
    )
    assert (reply.decision.permitted, reply.decision.rule) == (True, "P330")


UNDO = "p, P2, admin, git, undo:*, role:keeper, local, undo, {}, -, allow"


@pytest.mark.parametrize(("destination", "right"), [("git.example", True), ("local", False)])
def test_an_inverse_call_leads_where_its_servers_calls_do(
    tmp_path: Path, destination: str, right: bool
) -> None:
    """As errands.py asks, so a rule for `local` says nothing of a server elsewhere."""
    rules = f"{ALLOW}\n{READER}\n{UNDO.format(destination)}\ng, operator:olga, role:keeper, local\n"
    servers = {"git": ServerSettings(command=("git",), destination="git.example")}
    policy = loaded(tmp_path, rules, TIERS, servers=servers)
    asked = Asked("operator:olga", Target("git", "tool", "undo:git_reset"), intent="undo")
    assert ask(policy, asked).decision.permitted is right
    assert explain(policy, asked).reply.decision.permitted is right
    wrong = [f.message for f in lint(policy, servers) if f.message.startswith("P2")]
    assert [message.partition(":")[0] for message in wrong] == ["P2 can never match"] * (not right)


@pytest.mark.parametrize("tool", ["undo:git_reset", "undo:force"])
def test_a_duty_on_an_inverse_call_is_a_no_and_is_told_as_one(tmp_path: Path, tool: str) -> None:
    """As errands.py and undoing.py take it."""
    duty = "p, O2, admin, git, undo:*, *, *, *, *, -, approve"
    rules = (
        f"{ALLOW}\n{READER}\n{UNDO.format('local')}\n{duty}\ng, operator:olga, role:keeper, local\n"
    )
    asked = Asked("operator:olga", Target("git", "tool", tool), intent="undo")
    decision = ask(loaded(tmp_path, rules, TIERS), asked).decision
    assert (decision.permitted, decision.reason) == (False, Reason.DENIED_BY_RULE)


def test_the_lint_knows_that_inverse_calls_stand_in_no_tiers() -> None:
    findings = lint(load(POLICIES, {}), ["git", "time", "files", "memory"])
    assert [finding for finding in findings if "P3" in finding.message] == []
