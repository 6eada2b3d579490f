from __future__ import annotations

from pathlib import Path

from gateway.core.model import JsonObject, Target
from gateway.core.record import Line
from gateway.policy import PolicySnapshot, load, suggest_into
from gateway.policy.asking import Asked, ask
from gateway.policy.lint import lint
from gateway.policy.suggest import Suggestion, suggest
from tests.journals.calls import intent
from tests.policy.recording import kept, recorded
from tests.policy.written import written

CSV = """\
p, P1, data, git, *, role:reader, local, general, local, -, allow
p, P2, tool, git, commit, role:writer, local, general, local, short, allow
p, P3, data, web, get, role:reader, local, general, *, -, allow
p, D1, *, git, show, role:writer, *, *, *, -, deny
p, O1, tool, *, commit, role:writer, *, *, *, -, hold:60
p, W1, *, *, *, *, *, *, *, -, would-deny
g, agent:ann, role:reader, local
g, agent:ann, role:writer, local
g, agent:bob, role:reader, local
"""
TIERS = """\
servers:
  git:
    tools:
      log|status|show|"odd,name"|a*: {tier: data, effect: read}
      commit: {tier: tool, effect: write}
  web:
    tools:
      get: {tier: data, effect: read, destination: {argument: url}}
""".replace('|"odd,name"', "|odd")
C = "conditions: {short: {arguments: {m: {maxLength: 3}}}}"


def policy(home: Path, csv: str = CSV) -> PolicySnapshot:
    return load(written(home, csv, TIERS, C), {})


def call(policy: PolicySnapshot, name: str, tool: str, **arguments: object) -> Line:
    server, _, tool = tool.partition("/")
    return recorded(policy, asked(server, tool, arguments), name)


def asked(
    server: str, tool: str, arguments: JsonObject | None = None, agent: str = "agent:ann"
) -> Asked:
    return Asked(agent, Target(server, "tool", tool), arguments or {})


def suggested(policy: PolicySnapshot, *lines: Line, agent: str = "agent:ann") -> Suggestion:
    return suggest(policy, agent, kept(*lines))


def lines_of(found: Suggestion) -> list[str]:
    return [rule.line for rule in found.rules]


def test_a_rule_names_the_tools_that_were_called_and_stays_within_the_rule_behind_it(
    tmp_path: Path,
) -> None:
    now = policy(tmp_path)
    found = suggested(
        now,
        call(now, "c1", "git/status"),
        call(now, "c2", "git/log"),
        call(now, "c3", "git/log"),
        call(now, "c4", "git/commit", m="yes"),
    )
    assert lines_of(found) == [
        "p, Pann.1, data, git, log|status, role:ann, local, general, local, -, allow",
        "p, Pann.2, tool, git, commit, role:ann, local, general, local, short, allow",
    ]
    first = found.rules[0]
    assert [rule.id for rule in first.behind] == ["P1"]
    assert (first.tools["log"].count, first.tools["log"].ids) == (2, ["c2", "c3"])
    assert found.members == ["g, agent:ann, role:ann, local"]
    assert not found.left


def test_a_destination_is_the_one_it_was(tmp_path: Path) -> None:
    now = policy(tmp_path)
    urls = ("https://a.example/x", "https://b.example/", "https://a.example/y")
    found = suggested(now, *(call(now, f"c{n}", "web/get", url=u) for n, u in enumerate(urls)))
    assert [rule.place.destination for rule in found.rules] == ["a.example", "b.example"]


def test_what_was_refused_what_others_did_and_what_came_to_nothing_count_for_nothing(
    tmp_path: Path,
) -> None:
    now = policy(tmp_path)
    others = recorded(now, asked("git", "log", agent="agent:bob"), "c1")
    refused = recorded(now, asked("git", "commit", {"m": "far too long"}), "c2")
    found = suggested(now, others, refused)
    assert (found.rules, found.members) == ([], [])


def test_what_the_policy_in_force_denies_is_left_out_and_told(tmp_path: Path) -> None:
    now = policy(tmp_path)
    gone = intent("c1", agent="agent:ann", server="git", target="commit", rule="P9", tier="tool")
    found = suggested(now, gone)
    assert found.rules == []
    assert {why: calls.ids for why, calls in found.left.items()} == {
        "the policy in force denies it": ["c1"]
    }


def test_a_name_that_policy_csv_would_read_as_more_is_left_out(tmp_path: Path) -> None:
    now = policy(tmp_path)
    names = ("a*", "a|b", "a,b", "a#b", "\u00e4")
    odd = [call(now, f"c{n}", f"git/{name}") for n, name in enumerate(("ab", *names))]
    found = suggested(now, *odd)
    assert [list(rule.tools) for rule in found.rules] == [["ab"]]
    assert sum(calls.count for calls in found.left.values()) <= len(names)
    assert all(set(calls.ids) <= {"c1", "c2", "c3", "c4", "c5"} for calls in found.left.values())


def test_denies_and_duties_of_the_roles_given_up_are_carried_over(tmp_path: Path) -> None:
    now = policy(tmp_path)
    found = suggested(now, call(now, "c1", "git/log"))
    assert [carried.line for carried in found.carried] == [
        "p, D1.ann.1, *, git, show, role:ann, *, *, *, -, deny",
        "p, O1.ann.1, tool, *, commit, role:ann, *, *, *, -, hold:60",
    ]


TENANTS = """\
p, P1, data, git, *, role:reader, local, general, local, -, allow
p, P9, admin, bulkhead, grants:create, role:giver, acme, general, local, -, allow
p, P8, admin, bulkhead, grants:create, role:giver, local, general, local, -, allow
p, D1, *, git, show, role:giver, *, *, *, -, deny
p, D2, *, git, *, role:reader, acme, *, *, -, deny
p, D3, *, git, show, role:reader, *, *, *, -, deny
g, agent:ann, role:reader, local
g, agent:ann, role:giver, acme
g, agent:bob, role:reader, acme
g, agent:bob, role:giver, local
"""


def test_a_role_is_given_up_where_it_was_had_and_says_nothing_elsewhere(tmp_path: Path) -> None:
    """The new role is had in all tenants of the old ones: what was said of one of them must not be said of all."""
    now = policy(tmp_path, TENANTS)
    found = suggested(now, call(now, "c1", "git/log"))
    assert [carried.line for carried in found.carried] == [
        "p, P9.ann.1, admin, bulkhead, grants:create, role:ann, acme, general, local, -, allow",
        "p, D1.ann.1, *, git, show, role:ann, acme, *, *, -, deny",
        "p, D3.ann.1, *, git, show, role:ann, local, *, *, -, deny",
    ]
    assert found.members == ["g, agent:ann, role:ann, acme", "g, agent:ann, role:ann, local"]
    assert [rule.id for rule in found.orphans] == ["P1", "P9"]


def test_what_goes_is_named_with_the_rules_nobody_would_have_a_role_for(tmp_path: Path) -> None:
    now = policy(tmp_path)
    found = suggested(now, call(now, "c1", "git/log"))
    assert [str(member.where) for member in found.gone] == [
        "policies/policy.csv:7",
        "policies/policy.csv:8",
    ]
    assert [rule.id for rule in found.orphans] == ["P2", "D1", "O1"]


def test_the_role_and_the_ids_are_new_ones(tmp_path: Path) -> None:
    taken = CSV.replace("role:reader", "role:ann").replace("P3", "Pann.1")
    now = policy(tmp_path, taken)
    found = suggested(now, call(now, "c1", "git/log"))
    assert lines_of(found) == [
        "p, Pann.2, data, git, log, role:ann-least, local, general, local, -, allow"
    ]


def test_of_two_rules_for_one_tool_the_one_with_a_condition_comes_first_and_still_decides(
    tmp_path: Path,
) -> None:
    longer = "p, P4, tool, git, commit, role:writer, local, general, local, -, allow\ng, agent:ann"
    now = policy(tmp_path, CSV.replace("g, agent:ann", longer, 1))
    found = suggested(
        now, call(now, "c1", "git/commit", m="yes"), call(now, "c2", "git/commit", m="longer")
    )
    assert [rule.place.when for rule in found.rules] == ["short", "-"]
    least = tmp_path / "least"
    suggest_into.write(now, found, "\n".join([*lines_of(found), *found.members]), least, {})
    remarks = [one.message for one in lint(load(least, {}), ["git", "web"])]
    assert not [said for said in remarks if "never decides" in said]


def test_what_is_suggested_is_read_and_allows_what_was_called_and_nothing_else(
    tmp_path: Path,
) -> None:
    now = policy(tmp_path)
    found = suggested(now, call(now, "c1", "git/log"), call(now, "c2", "git/commit", m="yes"))
    out = {member.where.line for member in found.gone} | {r.where.line for r in found.orphans}
    stays = [line for number, line in enumerate(CSV.splitlines(), 1) if number not in out]
    carried = [each.line for each in found.carried]
    (tmp_path / "new").mkdir()
    csv = "\n".join((*stays, *lines_of(found), *carried, *found.members, ""))
    new = load(written(tmp_path / "new", csv, TIERS, C), {})
    tried: tuple[tuple[str, JsonObject, bool], ...] = (
        ("log", {}, True),
        ("commit", {"m": "yes"}, True),
        ("commit", {"m": "too long"}, False),
        ("status", {}, False),
        ("show", {}, False),
    )
    for tool, arguments, allowed in tried:
        assert ask(new, asked("git", tool, arguments)).decision.permitted is allowed
    duties = ask(new, asked("git", "commit", {"m": "yes"})).decision.obligations
    assert [duty.rule for duty in duties] == ["O1.ann.1"]
    assert ask(new, asked("git", "status", agent="agent:bob")).decision.permitted


def test_what_an_agent_may_ask_of_the_gateway_itself_is_not_judged_and_stays(
    tmp_path: Path,
) -> None:
    grants = "p, P9, admin, bulkhead, grants:delegate, role:reader, local, general, local, -, allow"
    now = policy(tmp_path, f"{grants}\n{CSV}")
    for lines in ([call(now, "c1", "git/log")], []):
        found = suggested(now, *lines)
        assert found.carried[0].line.startswith(
            "p, P9.ann.1, admin, bulkhead, grants:delegate, role:ann,"
        )
        assert found.members == ["g, agent:ann, role:ann, local"]
