from __future__ import annotations

from pathlib import Path

from gateway.core.model import Endpoint, JsonObject, Target, Tier
from gateway.policy.asking import Asked
from gateway.policy.explain import Explanation, explain
from gateway.reasons import Reason
from tests.policy.written import ALLOW, READER, loaded

CONSTRAINTS = "conditions: {c: {arguments: {m: {maxLength: 1}}}}"
DENY = "p, D1, *, git, *, *, *, *, *, c, deny"


def explained(
    home: Path,
    arguments: JsonObject | None = None,
    agent: str = "agent:ann",
    tool: str = "git_log",
    endpoint: Endpoint | None = None,
) -> Explanation:
    policy = loaded(home, f"{ALLOW}\n{READER}\n{DENY}\n", constraints=CONSTRAINTS)
    target = Target("git", "tool", tool)
    at = endpoint or Endpoint("all")
    return explain(policy, Asked(agent, target, arguments or {}, endpoint=at))


def test_every_rule_in_question_says_what_it_failed_on(tmp_path: Path) -> None:
    told = explained(tmp_path, {"m": "long"})
    assert told.reply.decision.rule == "P1"
    assert told.roles == {"role:reader"}
    assert {rule.id: rule.failed for rule in told.considered} == {"P1": (), "D1": ("when c",)}


def test_a_doubt_lets_a_deny_match(tmp_path: Path) -> None:
    told = explained(tmp_path, {"m": 1})
    assert told.reply.decision.rule == "D1"
    assert {rule.id: rule.failed for rule in told.considered} == {"P1": (), "D1": ()}


def test_the_nearest_miss_is_an_allow(tmp_path: Path) -> None:
    told = explained(tmp_path, {"m": "long"}, agent="agent:bob")
    assert told.reply.decision.near_miss.startswith("closest: P1 ")


def test_what_has_no_class_has_no_rules(tmp_path: Path) -> None:
    told = explained(tmp_path, tool="git_push")
    assert told.reply.decision.reason is Reason.UNCLASSIFIED
    assert (told.reply.classified, told.served, told.considered) == (None, False, ())


def test_the_endpoint_must_serve_the_tier(tmp_path: Path) -> None:
    assert explained(tmp_path).served
    assert not explained(tmp_path, endpoint=Endpoint("tier", Tier.TOOL)).served


def test_a_rule_on_trial_is_among_those_in_question(tmp_path: Path) -> None:
    csv = f"{ALLOW}\n{READER}\np, W1, *, git, *, *, *, *, *, -, would-deny\n"
    told = explain(loaded(tmp_path, csv), Asked("agent:ann", Target("git", "tool", "git_log")))
    assert told.reply.decision.permitted
    assert [shadow.rule for shadow in told.reply.decision.shadows] == ["W1"]
    assert ("W1", "would-deny", ()) in [(r.id, r.effect, r.failed) for r in told.considered]


def test_a_rule_in_question_may_be_one_for_another_spelling_of_a_resource(tmp_path: Path) -> None:
    csv = [
        f"p, {rule}, data, git, resource:file:///srv{uri}, role:reader, local, general, local, -, {effect}"
        for rule, uri, effect in (
            ("P1", "%2Fkeys", "allow"),
            ("P2", "/keys", "allow"),
            ("O1", "/keys", "approve"),
        )
    ]
    tiers = 'servers: {git: {resources: {"file:///srv%2Fkeys": {tier: data, effect: read}}}}'
    policy = loaded(tmp_path, "\n".join((*csv, READER, "")), tiers)
    told = explain(policy, Asked("agent:ann", Target("git", "resource", "file:///srv%2Fkeys")))
    assert [duty.rule for duty in told.reply.decision.obligations] == ["O1"]
    assert [(rule.id, rule.failed) for rule in told.considered] == [("P1", ()), ("O1", ())]
