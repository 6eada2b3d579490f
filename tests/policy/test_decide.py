from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.core.model import Decision, Effect, Obligation, Shadow, Tier
from gateway.errors import Where
from gateway.policy.engine import Engine, EngineFault, Question, Row, Verdict
from gateway.policy.snapshot import PolicySnapshot
from gateway.policy.verdicts import Verdicts
from gateway.reasons import Reason
from gateway.values import replace
from tests.policy.written import ALLOW, READER, loaded, question

CONSTRAINTS = """\
conditions:
  short: {arguments: {m: {maxLength: 3}}}
  rude: {arguments: {m: {enum: [no]}}}
  writing: {effect: [write]}
"""


def test_an_allow_names_its_rule_and_its_place(tmp_path: Path) -> None:
    assert loaded(tmp_path).decide(question()) == Decision(
        True, Reason.ALLOWED_BY_RULE, "P1", Where("policies/policy.csv", 1)
    )


def test_a_deny_beats_an_allow_and_names_its_rule_and_its_place(tmp_path: Path) -> None:
    deny = "p, D1, *, *, git_*, *, *, *, *, -, deny"
    assert loaded(tmp_path, f"{ALLOW}\n{READER}\n{deny}\n").decide(question()) == Decision(
        False, Reason.DENIED_BY_RULE, "D1", Where("policies/policy.csv", 3)
    )


def test_among_rules_alike_the_first_in_the_file_is_named(tmp_path: Path) -> None:
    allows = "".join(f"{ALLOW.replace('P1', f'P{n}')}\n" for n in (5, 3, 4))
    assert loaded(tmp_path, f"{allows}{READER}\n").decide(question()).rule == "P5"
    denies = "".join(f"p, D{n}, *, *, *, *, *, *, *, -, deny\n" for n in (9, 1))
    assert loaded(tmp_path, f"{denies}{allows}{READER}\n").decide(question()).rule == "D9"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"subject": "agent:bob"}, "P1 (policies/policy.csv:1) fails on role role:reader"),
        ({"tenant": "other"}, "tenant local, role role:reader"),
        ({"intent": "triage"}, "intent general"),
        ({"destination": "evil.example"}, "destination local"),
        ({"tool": "git_push"}, "no rule allows git_push of git in tier data"),
        ({"tier": Tier.ADMIN}, "no rule allows git_log of git in tier admin"),
        ({"server": "time"}, "no rule allows git_log of time in tier data"),
    ],
)
def test_what_no_rule_allows_is_denied_with_the_nearest_miss(
    tmp_path: Path, change: dict[str, str], says: str
) -> None:
    decision = loaded(tmp_path).decide(question(**change))  # type: ignore[arg-type]
    assert (decision.permitted, decision.reason, decision.rule) == (False, Reason.NO_RULE, None)
    assert says in decision.near_miss


def test_a_condition_that_does_not_hold_is_the_nearest_miss(tmp_path: Path) -> None:
    policy = loaded(tmp_path, f"{ALLOW.replace('-', 'short')}\n{READER}\n", constraints=CONSTRAINTS)
    assert policy.decide(question(arguments={"m": "abc"})).permitted
    decision = policy.decide(question(arguments={"m": "abcd"}))
    assert decision.near_miss == "closest: P1 (policies/policy.csv:1) fails on when short"


def test_a_role_counts_in_its_tenant_only(tmp_path: Path) -> None:
    csv = f"{ALLOW}\n{ALLOW.replace('P1', 'P2').replace('local, general', 'acme, general')}\n"
    policy = loaded(tmp_path, f"{csv}{READER}\ng, agent:bob, role:reader, acme\n")
    assert policy.decide(question()).rule == "P1"
    assert policy.decide(question("agent:bob", tenant="acme")).rule == "P2"
    assert not policy.decide(question(tenant="acme")).permitted
    assert not policy.decide(question("agent:bob")).permitted


def test_all_conditions_of_a_rule_must_hold(tmp_path: Path) -> None:
    csv = f"{ALLOW.replace('-', 'short&rude')}\n{READER}\n"
    policy = loaded(tmp_path, csv, constraints=CONSTRAINTS)
    answers = [policy.decide(question(arguments={"m": m})).permitted for m in ("no", "yes", "noo")]
    assert answers == [True, False, False]


def test_a_deny_with_several_conditions_spares_only_what_surely_misses_one(
    tmp_path: Path,
) -> None:
    csv = f"{ALLOW}\n{READER}\np, D1, *, *, *, *, *, *, *, short&rude, deny\n"
    policy = loaded(tmp_path, csv, constraints=CONSTRAINTS)
    rules = [
        policy.decide(question(arguments=a)).rule for a in ({"m": "no"}, {"m": "yes"}, {}, {"m": 1})
    ]
    assert rules == ["D1", "P1", "D1", "D1"]


def _with_conditions(tmp_path: Path, allow: str, deny: str | None) -> PolicySnapshot:
    """One allow and perhaps one deny, each with these."""
    csv = f"{ALLOW.replace('-', allow)}\n{READER}\n"
    if deny:
        csv += f"p, D1, *, *, *, *, *, *, *, {deny}, deny\n"
    return loaded(tmp_path, csv, constraints=CONSTRAINTS)


@pytest.mark.parametrize(
    ("allow", "deny", "shown"),
    [
        ("-", None, True),
        ("short", None, True),
        ("short", "rude", True),
        ("-", "rude", True),
        ("short", "short", False),
        ("short&rude", "rude", False),
        ("short", "-", False),
        ("writing", None, False),
        ("short&writing", None, False),
        ("-", "writing", True),
        ("-", "short&writing", True),
    ],
)
def test_a_list_shows_what_some_arguments_would_let_through(
    tmp_path: Path, allow: str, deny: str | None, shown: bool
) -> None:
    policy = _with_conditions(tmp_path, allow, deny)
    assert policy.decide(question(as_list=True)).permitted is shown


@pytest.mark.parametrize(
    ("allow", "deny", "shown"),
    [
        ("writing", None, True),
        ("short&writing", None, True),
        ("short&writing", "rude", True),
        ("short", "writing", False),
        ("short", "short&writing", False),
    ],
)
def test_a_list_looks_at_the_effect_also_beside_what_arguments_will_tell(
    tmp_path: Path, allow: str, deny: str | None, shown: bool
) -> None:
    policy = _with_conditions(tmp_path, allow, deny)
    assert policy.decide(question(as_list=True, effect=Effect.WRITE)).permitted is shown


MORE = """\
conditions:
  short_write: {arguments: {m: {maxLength: 3}}, effect: [write]}
  theirs: {arguments: {m: {equals: on_behalf_of}}}
  short_and_lost: {arguments: {m: {maxLength: 3}}, level: {below: read}}
  lost_write: {effect: [write], level: {below: exact}}
"""


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
@pytest.mark.parametrize("principal", ["", "ada"])
@pytest.mark.parametrize("word", ["allow", "deny"])
@pytest.mark.parametrize("when", ["short_write", "theirs", "short_and_lost", "lost_write"])
def test_a_list_looks_at_all_of_a_condition_that_needs_no_arguments(
    tmp_path: Path, when: str, word: str, principal: str, effect: Effect
) -> None:
    """It is as long as some call, of whatever arguments and level, would be allowed."""
    rule = (
        ALLOW.replace("-", when) if word == "allow" else f"{ALLOW}\np, D1{', *' * 7}, {when}, deny"
    )
    policy = loaded(tmp_path, f"{rule}\n{READER}\n", constraints=MORE)
    asked = replace(question(effect=effect), on_behalf_of=principal)
    levels = ["read"] if effect is Effect.READ else ["none", "exact"]
    calls = [
        replace(asked, arguments=arguments, level=level)
        for arguments in ({}, {"m": "ada"}, {"m": "long"})
        for level in levels
    ]
    listed = replace(asked, arguments=None, level="read" if effect is Effect.READ else None)
    assert policy.decide(listed).permitted is any(policy.decide(c).permitted for c in calls)


def test_a_server_no_rule_names_is_under_the_denies_for_any_server(tmp_path: Path) -> None:
    csv = f"{ALLOW}\n{READER}\np, D1, data, *, *, *, *, *, *, -, deny\n"
    assert loaded(tmp_path, csv).decide(question(server="new")).rule == "D1"


def test_nothing_of_a_decision_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy = loaded(tmp_path)
    for name in ("casbin", "casbin.enforcer", "casbin.policy", "casbin.role"):
        logging.getLogger(name).disabled = False
    with caplog.at_level(logging.DEBUG):
        policy.decide(question("agent:secret-name"))
        policy.decide(question())
    assert "secret-name" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("casbin")]


UNDOABLE = """\
conditions:
  undoable: {level: {at_least: compensable}, guard: {at_least: locked-check}}
  lost: {level: {below: compensable}}
  guarded: {guard: {at_least: cas}}
  short_undoable: {arguments: {m: {maxLength: 3}}, level: {at_least: exact}}
"""


def _undo_rule(when: str, effect: str = "allow") -> str:
    name = "P7" if effect == "allow" else "D7"
    return f"p, {name}, data, git, git_log, role:reader, local, general, local, {when}, {effect}"


@pytest.mark.parametrize(
    ("level", "guard", "permitted"),
    [
        (None, None, True),
        ("exact", "cas", True),
        ("compensable", "locked-check", True),
        ("exact", "check-then-act", False),
        ("exact", "no such guard", False),
        ("none", "cas", False),
        ("unknown", "none", False),
        ("read", "none", True),
        ("no such level", "cas", False),
    ],
)
def test_a_rule_that_asks_for_a_level_is_open_until_it_is_known_and_then_it_counts(
    tmp_path: Path, level: str | None, guard: str | None, permitted: bool
) -> None:
    policy = loaded(tmp_path, f"{_undo_rule('undoable')}\n{READER}\n", constraints=UNDOABLE)
    asked = replace(question(arguments={}), level=level, guard=guard)
    assert policy.decide(asked).permitted is permitted


@pytest.mark.parametrize(
    ("level", "guard", "permitted"),
    [
        (None, None, True),
        ("exact", "cas", True),
        ("none", "cas", True),
        ("exact", "locked-check", False),
        ("exact", None, False),
        ("read", None, True),
    ],
)
def test_a_rule_that_asks_for_a_guard_alone_is_open_and_counts_in_the_same_way(
    tmp_path: Path, level: str | None, guard: str | None, permitted: bool
) -> None:
    policy = loaded(tmp_path, f"{_undo_rule('guarded')}\n{READER}\n", constraints=UNDOABLE)
    asked = replace(question(arguments={}), level=level, guard=guard)
    assert policy.decide(asked).permitted is permitted


@pytest.mark.parametrize(
    ("level", "rule"), [(None, "P1"), ("exact", "P1"), ("none", "D7"), ("unknown", "D7")]
)
def test_a_deny_of_what_cannot_be_undone_waits_for_the_level(
    tmp_path: Path, level: str | None, rule: str
) -> None:
    rows = f"{ALLOW}\n{_undo_rule('lost', 'deny')}\n{READER}\n"
    asked = replace(question(arguments={}), level=level, guard="cas")
    assert loaded(tmp_path, rows, constraints=UNDOABLE).decide(asked).rule == rule


@pytest.mark.parametrize(
    ("message", "level", "permitted"),
    [("hi", None, True), ("hello", None, False), ("hi", "exact", True), ("hi", "none", False)],
)
def test_what_is_known_already_is_judged_at_once_also_beside_an_open_level(
    tmp_path: Path, message: str, level: str | None, permitted: bool
) -> None:
    policy = loaded(tmp_path, f"{_undo_rule('short_undoable')}\n{READER}\n", constraints=UNDOABLE)
    asked = replace(question(arguments={"m": message}), level=level, guard="cas")
    assert policy.decide(asked).permitted is permitted


def test_a_list_shows_what_might_be_undoable(tmp_path: Path) -> None:
    policy = loaded(tmp_path, f"{_undo_rule('short_undoable')}\n{READER}\n", constraints=UNDOABLE)
    assert policy.decide(question(as_list=True)).permitted


def _with(*rows: str) -> str:
    return "\n".join([ALLOW, READER, *rows, ""])


def test_a_duty_is_laid_on_the_calls_it_matches_with_its_rule_place_and_time(
    tmp_path: Path,
) -> None:
    duties = _with(
        "p, O1, *, *, git_*, *, *, *, *, -, approve",
        "p, O2, data, git, git_log, role:reader, *, *, *, -, hold:90",
        "p, O3, *, *, git_push, *, *, *, *, -, approve",
    )
    decision = loaded(tmp_path, duties).decide(question())
    assert (decision.permitted, decision.rule) == (True, "P1")
    assert decision.obligations == (
        Obligation("approve", "O1", Where("policies/policy.csv", 3)),
        Obligation("hold", "O2", Where("policies/policy.csv", 4), 90),
    )


def test_a_duty_allows_nothing_by_itself(tmp_path: Path) -> None:
    alone = f"{ALLOW.replace('git_log', 'git_show')}\n{READER}\np, O1, *, *, *, *, *, *, *, -, approve\n"
    decision = loaded(tmp_path, alone).decide(question())
    assert (decision.permitted, decision.reason, decision.obligations) == (
        False,
        Reason.NO_RULE,
        (),
    )


@pytest.mark.parametrize(
    ("arguments", "duties"), [({"m": "no"}, ["O1"]), ({"m": "yes"}, []), ({}, ["O1"])]
)
def test_a_duty_waits_for_its_conditions(
    tmp_path: Path, arguments: dict[str, str], duties: list[str]
) -> None:
    rows = _with("p, O1, *, *, git_*, *, *, *, *, rude, approve")
    decision = loaded(tmp_path, rows, constraints=CONSTRAINTS).decide(question(arguments=arguments))
    assert decision.permitted
    assert [duty.rule for duty in decision.obligations] == duties


def test_a_duty_nobody_can_tell_is_demanded(tmp_path: Path) -> None:
    rows = _with("p, O1, *, *, git_*, *, *, *, *, short, approve")
    decision = loaded(tmp_path, rows, constraints=CONSTRAINTS).decide(question(arguments={"m": 5}))
    assert [duty.rule for duty in decision.obligations] == ["O1"]


HOLDS = "{short: {arguments: {m: {maxLength: 3}}}, write: {effect: [write]}}"


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
@pytest.mark.parametrize("tool", ["git_log", "prompt:git_log"])
@pytest.mark.parametrize("allowed", ["-", "short"])
@pytest.mark.parametrize("held", ["-", "short", "write", "short&write"])
def test_a_list_shows_what_can_be_held_and_what_need_not_be(
    tmp_path: Path, held: str, allowed: str, tool: str, effect: Effect
) -> None:
    """A hold of anything but a tool's write is a duty that nobody can fulfil."""
    allow = ALLOW.replace("git_log", tool).replace("-", allowed)
    rows = f"{allow}\n{READER}\np, O1{', *' * 7}, {held}, hold:9\n"
    policy = loaded(tmp_path, rows, constraints=f"conditions: {HOLDS}\n")

    def goes(message: str) -> bool:
        said = policy.decide(question(tool=tool, effect=effect, arguments={"m": message}))
        can_be_held = effect is Effect.WRITE and tool == "git_log"
        return said.permitted and (can_be_held or not said.obligations)

    listed = policy.decide(question(tool=tool, effect=effect, as_list=True))
    assert listed.permitted is any(goes(message) for message in ("abc", "abcd"))


def test_a_list_is_shown_whatever_the_duties_of_a_call_will_be(tmp_path: Path) -> None:
    rows = _with("p, O1, *, *, git_*, *, *, *, *, -, approve")
    decision = loaded(tmp_path, rows).decide(question(as_list=True))
    assert decision.permitted and not decision.obligations


def test_a_duty_that_asks_for_a_level_is_demanded_once_it_is_known(tmp_path: Path) -> None:
    rows = _with("p, O1, *, *, *, *, *, *, *, lost, approve")
    policy = loaded(tmp_path, rows, constraints=UNDOABLE)
    wanted = {None: [], "unknown": ["O1"], "none": ["O1"], "compensable": [], "exact": []}
    for level, duties in wanted.items():
        decision = policy.decide(replace(question(arguments={}), level=level))
        assert decision.permitted
        assert [duty.rule for duty in decision.obligations] == duties, level


def test_a_rule_on_trial_is_told_of_with_its_place_and_changes_nothing(tmp_path: Path) -> None:
    without = loaded(tmp_path).decide(question())
    rows = _with("p, W1, *, *, git_*, *, *, *, *, -, would-deny")
    decision = loaded(tmp_path, rows).decide(question())
    assert decision.shadows == (Shadow("W1", Where("policies/policy.csv", 3)),)
    assert replace(decision, shadows=()) == without


@pytest.mark.parametrize(
    ("when", "arguments", "told"),
    [
        ("rude", {"m": "no"}, True),
        ("rude", {"m": "yes"}, False),
        ("rude", {}, True),
        ("short&rude", {"m": 5}, True),
    ],
)
def test_a_rule_on_trial_is_matched_as_the_deny_it_would_be(
    tmp_path: Path, when: str, arguments: dict[str, object], told: bool
) -> None:
    rows = _with(f"p, W1, *, *, git_*, *, *, *, *, {when}, would-deny")
    policy = loaded(tmp_path, rows, constraints=CONSTRAINTS)
    assert bool(policy.decide(question(arguments=arguments)).shadows) is told


def test_a_call_that_is_denied_and_a_list_tell_of_no_trial(tmp_path: Path) -> None:
    policy = loaded(tmp_path, _with("p, W1, *, *, *, *, *, *, *, -, would-deny"))
    assert policy.decide(question(tool="git_push")).shadows == ()
    listed = policy.decide(question(as_list=True))
    assert listed.permitted and listed.shadows == ()


def test_a_trial_that_asks_for_a_level_is_quiet_until_it_is_known(tmp_path: Path) -> None:
    rows = _with("p, W1, *, *, *, *, *, *, *, lost, would-deny")
    policy = loaded(tmp_path, rows, constraints=UNDOABLE)
    told = [
        bool(policy.decide(replace(question(arguments={}), level=level)).shadows)
        for level in (None, "unknown", "compensable")
    ]
    assert told == [False, True, False]


def test_a_trial_that_fails_denies_nothing_and_is_told_of(tmp_path: Path) -> None:
    policy = loaded(tmp_path, _with("p, W1, *, *, *, *, *, *, *, -, would-deny"))

    class Faulty(Engine):
        def __init__(self) -> None:
            pass

        def ask(self, rows: Sequence[Row], question: Question) -> Verdict:
            if rows[0].id == "W1":
                raise EngineFault("no")
            return policy.pdp.verdicts.engine.ask(rows, question)

    faulty = Verdicts(policy.pdp.index, Faulty())
    decision = replace(policy.pdp, verdicts=faulty).decide(question())
    assert decision.permitted
    assert [shadow.rule for shadow in decision.shadows] == ["W1"]
