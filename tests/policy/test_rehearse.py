from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.describe import duty
from gateway.core.model import Endpoint, JsonObject, Target, Tier
from gateway.core.reverse import GUARDS, Guard, Level, Reversal
from gateway.policy import PolicySnapshot, load
from gateway.policy.asking import Asked, ask
from gateway.policy.recalled import Answer, Recalled, recall
from gateway.policy.rehearse import Possible, Rehearsal
from tests.journals.calls import intent
from tests.policy.recording import recorded, row
from tests.policy.written import READER, loaded, written

CSV = """\
p, P1, data, git, log|show, role:reader, local, general, local, -, allow
p, P2, tool, git, commit, role:reader, local, general, local, short, allow
p, P3, tool, web, get, role:reader, local, general, *, -, allow
p, P4, tool, git, push, role:reader, local, general, local, undoable, allow
p, P5, admin, git, push, role:reader, local, general, local, undoable, allow
p, D1, *, *, *, *, *, *, *, rude, deny
p, D2, *, web, *, *, *, *, evil.example, -, deny
p, O1, *, git, commit, *, *, *, *, lost, approve
p, W1, *, *, *, *, *, *, *, -, would-deny
g, agent:ann, role:reader, local
g, operator:olga, role:reader, local
"""
TIERS = """\
servers:
  git:
    tools:
      log|show: {tier: data, effect: read}
      commit: {tier: tool, effect: write}
      push:
        tier: tool
        effect: write
        raise: [{argument: force, matches: {const: true}, tier: admin, effect: destroy}]
  web:
    tools:
      get: {tier: tool, effect: write, destination: {argument: url}}
"""
CONSTRAINTS = """\
conditions:
  short: {arguments: {message: {maxLength: 3}}}
  rude: {arguments: {message: {enum: [no]}}}
  lost: {level: {below: compensable}}
  undoable: {level: {at_least: compensable}, guard: {at_least: locked-check}}
"""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> PolicySnapshot:
    return loaded(tmp_path_factory.mktemp("rehearse"), CSV, TIERS, CONSTRAINTS)


def asking(tool: str, arguments: JsonObject | None = None, level: Level | None = None) -> Asked:
    server, _, name = tool.partition("/")
    reversal = None if level is None else Reversal(level, guard="locked-check")
    return Asked("agent:ann", Target(server, "tool", name), arguments or {}, reversal=reversal)


def possible(
    asked_of: PolicySnapshot, said_by: PolicySnapshot, asked: Asked, kept: JsonObject | None = None
) -> Possible:
    call = recall(row(recorded(said_by, asked, kept=kept)))
    assert isinstance(call, Recalled)
    return Rehearsal(asked_of, {}).possible(call)


def rules(found: Possible) -> set[str]:
    return {answer.rule for answer in found.answers}


ARGUMENTS = st.dictionaries(
    st.sampled_from(["message", "force", "url", "x"]),
    st.sampled_from(["no", "yes", "long text", True, 1, None, "https://a.example/", "nowhere"]),
    max_size=4,
)


@given(
    tool=st.sampled_from(["git/log", "git/commit", "git/push", "web/get", "git/none", "no/such"]),
    arguments=ARGUMENTS,
    level=st.sampled_from(list(Level)),
    guard=st.sampled_from(GUARDS),
    endpoint=st.sampled_from([Endpoint("all"), Endpoint("tier", Tier.ADMIN)]),
    hidden=st.sampled_from(["", "message", "force", "url"]),
    agent=st.sampled_from(["agent:ann", "agent:bob"]),
)
def test_the_answer_of_the_policy_is_among_the_possible_ones_and_the_only_one_if_all_was_kept(
    policy: PolicySnapshot,
    tool: str,
    arguments: JsonObject,
    level: Level,
    guard: Guard,
    endpoint: Endpoint,
    hidden: str,
    agent: str,
) -> None:
    server, _, name = tool.partition("/")
    reversal = Reversal(level, guard=guard)
    asked = Asked(
        agent,
        Target(server, "tool", name),
        arguments,
        endpoint=endpoint,
        reversal=reversal,
    )
    reply = ask(policy, asked)
    kept = {k: {"redacted": "x"} if k == hidden else v for k, v in arguments.items()}
    found = possible(policy, policy, asked, kept)
    decision, classified = reply.decision, reply.classified
    if classified is not None and classified.tier not in endpoint.tiers:
        assert rules(found) == {"other_tier"} or hidden in kept
        return
    duties = frozenset(map(duty, decision.obligations))
    said = Answer(decision.permitted, decision.rule or decision.reason, "", duties)
    if said.permitted and classified is not None and classified.tier is Tier.ADMIN:
        said = Answer(False, "grant_needed")
    answers = {each._replace(where="") for each in found.answers}
    assert said in answers or Answer(said.permitted, "some rule") in answers
    if hidden not in kept:
        assert answers == {said}


@pytest.mark.parametrize("allowed", ["file:///*", "file:///srv/%2F*|file:///srv/keys"])
@pytest.mark.parametrize("name", ["a%2Fb", "keys", "%2Fkeys", "%2Fhot", "a%2F%2Fhot", "x%2fy"])
def test_a_resource_is_asked_about_by_all_its_spellings(
    tmp_path: Path, name: str, allowed: str
) -> None:
    tools = "|".join(f"resource:{uri}" for uri in allowed.split("|"))
    allow = f"p, P1, data, git, {tools}, role:reader, local, general, local, -, allow"
    more = [
        f"p, {rule}, *, git, resource:file:///srv/{what}*, *, *, *, *, -, {effect}"
        for rule, what, effect in (
            ("D1", "keys", "deny"),
            ("O1", "hot", "approve"),
            ("D2", "x%2Fy", "deny"),
        )
    ]
    csv = "\n".join([allow, *more, "g, agent:ann, role:reader, local\n"])
    tiers = 'servers: {git: {resources: {"file:///*": {tier: data, effect: read}}}}'
    policy = loaded(tmp_path, csv, tiers)
    asked = Asked("agent:ann", Target("git", "resource", f"file:///srv/{name}"), {})
    said = ask(policy, asked).decision
    duties = frozenset(map(duty, said.obligations))
    answer = Answer(said.permitted, said.rule or said.reason, str(said.where or ""), duties)
    assert possible(policy, policy, asked).answers == {answer}


def test_a_call_for_somebody_is_asked_about_as_one(tmp_path: Path) -> None:
    csv = "p, P1, data, git, git_log, role:reader, local, general, local, theirs, allow"
    constraints = "conditions: {theirs: {arguments: {owner: {equals: on_behalf_of}}}}"
    policy = loaded(tmp_path, f"{csv}\n{READER}\n", constraints=constraints)
    for principal, rule in (("user:ada", "P1"), ("user:bob", "no_rule"), ("", "no_rule")):
        target = Target("git", "tool", "git_log")
        asked = Asked("agent:ann", target, {"owner": "user:ada"}, on_behalf_of=principal)
        assert rules(possible(policy, policy, asked)) == {rule}
        assert ask(policy, asked).decision.permitted is (rule == "P1")


def test_a_hidden_argument_that_plays_no_part_is_no_doubt(policy: PolicySnapshot) -> None:
    asked = asking("git/log", {"message": "yes", "y": 1})
    found = possible(policy, policy, asked, {"message": "yes", "y": {"redacted": "x"}})
    assert rules(found) == {"P1"} and not found.doubts


def other(tmp_path: Path, *changes: tuple[str, str]) -> PolicySnapshot:
    """The same policy, changed in its csv: another version."""
    csv = CSV
    for old, new in changes:
        assert old in csv
        csv = csv.replace(old, new)
    return load(written(tmp_path, csv, TIERS, CONSTRAINTS), {})


def test_every_way_a_hidden_argument_could_have_been_is_asked(
    policy: PolicySnapshot, tmp_path: Path
) -> None:
    asked, kept = asking("git/commit", {"message": "yes"}, Level.EXACT), {"message": {"sealed": ""}}
    found = possible(other(tmp_path, ("P1,", "P9,")), policy, asked, kept)
    assert rules(found) == {"P2", "D1", "no_rule"}
    assert found.doubts == ("condition rude", "condition short")
    # Of the very policy that decided it, it is known which way it was.
    assert rules(possible(policy, policy, asked, kept)) == {"P2"}


def test_every_level_is_asked_where_none_was_written(
    policy: PolicySnapshot, tmp_path: Path
) -> None:
    wider = other(tmp_path, ("g, agent:ann", "g, agent:bob, role:reader, local\ng, agent:ann"))
    asked = Asked("agent:bob", Target("git", "tool", "push"), {"force": False, "message": ""})
    found = possible(wider, policy, asked)
    assert rules(found) == {"P4", "no_rule"}
    assert found.doubts == ("its level",)


def test_a_hidden_destination_leaves_both_ways_open(policy: PolicySnapshot, tmp_path: Path) -> None:
    asked = asking("web/get", {"url": "https://a.example/", "message": ""}, Level.EXACT)
    kept = {"url": {"redacted": "x"}, "message": ""}
    found = possible(other(tmp_path, ("P1,", "P9,")), policy, asked, kept)
    assert {answer.permitted for answer in found.answers} == {True, False}
    assert found.doubts == ("destination",)
    assert rules(possible(policy, policy, asked, kept)) == {"P3"}


def test_a_call_that_would_be_of_another_tier_is_not_told_where_its_token_decides(
    policy: PolicySnapshot, tmp_path: Path
) -> None:
    directory = written(
        tmp_path, CSV, TIERS.replace("log|show: {tier: data", "log|show: {tier: tool")
    )
    (directory / "constraints.yaml").write_text(CONSTRAINTS)
    found = possible(load(directory, {}), policy, asking("git/log", {"message": "yes"}))
    assert rules(found) == {"no_rule", "other_tier"}
    assert found.doubts == ("the tiers of its token",)


def test_a_tier_where_a_role_alone_no_longer_is_enough_wants_a_grant(
    policy: PolicySnapshot, tmp_path: Path
) -> None:
    directory = written(tmp_path, CSV, TIERS, CONSTRAINTS)
    (directory / "intents.yaml").write_text("standing: [tool]\nintents: {}\n")
    asked = asking("git/log", {"message": "yes"})
    assert rules(possible(load(directory, {}), policy, asked)) == {"grant_needed"}


def test_what_was_refused_before_a_grant_was_looked_for_may_have_had_one(
    policy: PolicySnapshot, tmp_path: Path
) -> None:
    wider = CSV.replace("g, agent:ann", "g, agent:bob, role:reader, local\ng, agent:ann")
    directory = written(tmp_path, wider, TIERS, CONSTRAINTS)
    (directory / "intents.yaml").write_text("standing: [tool]\nintents: {}\n")
    asked = Asked("agent:bob", Target("git", "tool", "log"), {"message": "yes"})
    found = possible(load(directory, {}), policy, asked)
    assert rules(found) == {"P1", "grant_needed"}
    assert found.doubts == ("its grant",)


def test_an_inverse_call_is_asked_by_the_rules_of_the_server_it_is_for(tmp_path: Path) -> None:
    rules_of_olga = """\
p, P6, admin, git, undo:*, role:undoer, local, undo, local, -, allow
p, O6, admin, git, undo:*, role:undoer, local, undo, local, lost, approve
g, operator:olga, role:undoer, local
"""
    policy = loaded(tmp_path, rules_of_olga, TIERS, CONSTRAINTS)
    inverse = intent(
        "a",
        agent="operator:olga",
        intent="undo",
        server="git-companion",
        target="undo:put",
        tier="admin",
        effect="destroy",
        arguments={"sealed": "x"},
    )
    call = recall(row(inverse))
    assert isinstance(call, Recalled)
    (answer,) = Rehearsal(policy, {"git-companion": "git"}).possible(call).answers
    # An inverse call has no inverse: its level is unknown, and lost.
    assert (answer.rule, answer.duties) == ("P6", frozenset({"O6=approve"}))
    assert rules(Rehearsal(policy, {}).possible(call)) == {"no_rule"}
