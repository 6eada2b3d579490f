"""Fifteen ways raw Casbin goes wrong, twelve of them open. Each is one test here, and each ends closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

import gateway
from gateway.core.model import AccessRequest, JsonObject
from gateway.errors import Misconfigured
from gateway.policy import conditions as conditions_module
from gateway.policy.predicates import TESTS
from gateway.reasons import Reason
from tests.policy.written import ALLOW, READER, loaded, question, written

DENY = "p, D1, *, *, *, *, *, *, *, -, deny"
SOURCES = Path(gateway.__file__).parent


def refused(home: Path, csv: str, constraints: str = "") -> Misconfigured:
    """The error a policy.csv is refused with; it must name file and line."""
    with pytest.raises(Misconfigured) as caught:
        loaded(home, csv, constraints=constraints)
    assert caught.value.where is not None
    assert caught.value.where.file.endswith("policy.csv")
    return caught.value


def line_of(error: Misconfigured) -> int | None:
    return error.where.line if error.where else None


def test_01_an_empty_policy_and_an_empty_question_allow_nothing(tmp_path: Path) -> None:
    nothing = loaded(tmp_path, "# no rules\n").decide(question())
    assert (nothing.permitted, nothing.reason) == (False, Reason.NO_RULE)

    policy = loaded(tmp_path)
    for field in ("subject", "tool", "tenant", "intent", "server", "destination"):
        blank = cast("dict[str, Any]", {field: ""})
        assert not policy.decide(question(**blank)).permitted


@pytest.mark.parametrize(
    "effect", ["Deny", "DENY", "block", "dney", "deny # because", "deny;", "deny deny"]
)
def test_02_a_misspelt_effect_is_refused_with_file_and_line(tmp_path: Path, effect: str) -> None:
    error = refused(tmp_path, f"{ALLOW}\n{DENY.removesuffix('deny')}{effect}\n{READER}\n")
    assert line_of(error) == 2


def test_03_an_agent_called_like_a_role_does_not_have_the_role(tmp_path: Path) -> None:
    policy = loaded(tmp_path)
    for subject in ("role:reader", "agent:role:reader", "reader"):
        assert not policy.decide(question(subject)).permitted
    assert policy.decide(question("role:reader")).reason is Reason.DECISION_FAILED
    assert (
        line_of(refused(tmp_path, f"{ALLOW}\n{READER}\ng, role:reader, role:reader, local\n")) == 3
    )


@pytest.mark.parametrize("start", ["q", "pp", "P", "p;", "p2", "g2", "G", "deny", "p p"])
def test_04_an_unknown_record_type_is_refused_with_file_and_line(
    tmp_path: Path, start: str
) -> None:
    error = refused(tmp_path, f"{ALLOW}\n{READER}\n{start}{DENY[1:]}\n")
    assert line_of(error) == 3
    assert start in error.message


def test_05_a_colon_in_a_name_is_a_colon_and_a_dot_is_a_dot(tmp_path: Path) -> None:
    csv = ALLOW.replace("git_log", "github:list_issues|a.c").replace(", local, -", ", [a::8443], -")
    policy = loaded(tmp_path, f"{csv}\n{READER}\n")
    assert policy.decide(question(tool="github:list_issues", destination="[a::8443]")).permitted
    assert not policy.decide(question(tool="github:delete_repo", destination="[a::8443]")).permitted
    assert not policy.decide(question(tool="abc", destination="[a::8443]")).permitted
    assert not policy.decide(question(tool="a.c", destination="[a::1]")).permitted


def test_06_a_star_matches_every_name_dots_and_slashes_included(tmp_path: Path) -> None:
    allow = ALLOW.replace("git_log", "*")
    names = (".env", ".git/config", "a/b/../c", "a\nb", "prompt:x")
    free = loaded(tmp_path, f"{allow}\n{READER}\n")
    assert all(free.decide(question(tool=name)).permitted for name in names)

    under_deny = loaded(tmp_path, f"{allow}\n{READER}\n{DENY}\n")
    assert [under_deny.decide(question(tool=name)).rule for name in names] == ["D1"] * len(names)


def test_07_a_pattern_is_no_regular_expression_and_is_anchored_at_both_ends(
    tmp_path: Path,
) -> None:
    policy = loaded(tmp_path, f"{ALLOW}\n{READER}\n")
    for name in ("git_log\n", "git_log2", "xgit_log", "GIT_LOG"):
        assert not policy.decide(question(tool=name)).permitted
    assert line_of(refused(tmp_path, f"{ALLOW.replace('git_log', 'git*log')}\n{READER}\n")) == 1
    letters_only = loaded(tmp_path, f"{ALLOW.replace('git_log', '(a+)+$')}\n{READER}\n")
    assert not letters_only.decide(question(tool="a" * 40)).permitted


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("m = one", "m = True; one"),
        ("&& host", "#&& host"),
        ("&& !some(where (p.eft == deny))", ""),
        ("one(r.tier, p.tier)", "eval(p.when)"),
        ("\n", "\r\n"),
    ],
)
def test_08_an_edited_model_stops_the_start(tmp_path: Path, old: str, new: str) -> None:
    model = written(tmp_path) / "model.conf"
    before = model.read_bytes().decode()
    assert old in before
    model.write_bytes(before.replace(old, new, 1).encode())
    with pytest.raises(Misconfigured, match="not the pinned model"):
        from gateway.policy import load

        load(model.parent, {})


@pytest.mark.parametrize(
    "deny",
    [
        "p, D1, *, git, *, *, *, *, *, -, deny",
        "p, D1, data, *, *, *, *, *, *, -, deny",
        "p, D1, *, *, git_*, *, *, *, *, -, deny",
        "p, D1, *, *, *, role:reader, *, *, *, -, deny",
        "p, D1, *, *, *, *, *, *, local, -, deny",
    ],
)
def test_09_a_wildcard_deny_reaches_every_cell(tmp_path: Path, deny: str) -> None:
    decision = loaded(tmp_path, f"{ALLOW}\n{READER}\n{deny}\n").decide(question())
    assert (decision.permitted, decision.rule) == (False, "D1")


def test_10_a_membership_has_no_conditions_and_no_end_that_could_be_forgotten(
    tmp_path: Path,
) -> None:
    for tail in (", 2020-01-01, 2020-01-02", ", ", ""):
        csv = f"{ALLOW}\ng, agent:ann, role:reader{', local' if tail else ''}{tail}\n"
        assert line_of(refused(tmp_path, csv)) == 2


@pytest.mark.parametrize("text", ["True) or (True", "eval(x)", "1", "-&-", "*", "short&", "&short"])
def test_11_code_in_the_when_column_is_refused(tmp_path: Path, text: str) -> None:
    constraints = "conditions: {short: {arguments: {m: {maxLength: 3}}}}"
    error = refused(tmp_path, f"{ALLOW.replace('-', text)}\n{READER}\n", constraints)
    assert "is not in constraints.yaml" in error.message


def test_12_nan_and_true_pass_for_no_number(tmp_path: Path) -> None:
    constraints = (
        "conditions: {small: {arguments: {n: {maximum: 100}}}, one: {arguments: {n: {const: 1}}}}"
    )
    for name in ("small", "one"):
        policy = loaded(
            tmp_path, f"{ALLOW.replace('-', name)}\n{READER}\n", constraints=constraints
        )
        assert policy.decide(question(arguments={"n": 1})).permitted
        for odd in (float("nan"), float("-inf"), True, "1", None, [1]):
            assert not policy.decide(question(arguments={"n": odd})).permitted


def test_13_a_missing_attribute_in_one_rule_does_not_stop_a_later_deny(tmp_path: Path) -> None:
    csv = f"{ALLOW}\n{READER}\np, D1, data, git, *, *, *, *, *, big, deny\n"
    constraints = "conditions: {big: {arguments: {/a/b: {minimum: 100}}}}"
    policy = loaded(tmp_path, csv, constraints=constraints)
    assert policy.decide(question(arguments={"a": {"b": 5}})).permitted
    odd: list[JsonObject] = [{}, {"a": 1}, {"a": {"b": "100"}}, {"a": []}]
    for missing in odd:
        assert policy.decide(question(arguments=missing)).rule == "D1"


def test_13_a_condition_that_raises_denies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setitem(cast("dict[str, Any]", TESTS), "minimum", broken)
    constraints = "conditions: {big: {arguments: {n: {minimum: 1}}}}"
    allow = loaded(tmp_path, f"{ALLOW.replace('-', 'big')}\n{READER}\n", constraints=constraints)
    assert allow.decide(question(arguments={"n": 5})).reason is Reason.NO_RULE
    csv = f"{ALLOW}\n{READER}\np, D1, data, git, *, *, *, *, *, big, deny\n"
    deny = loaded(tmp_path, csv, constraints=constraints)
    assert deny.decide(question(arguments={"n": 0})).rule == "D1"


def test_13_an_exception_in_the_decision_is_a_deny(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("broken")

    constraints = "conditions: {big: {arguments: {n: {minimum: 1}}}}"
    csv = f"{ALLOW.replace('-', 'big')}\n{READER}\n"
    policy = loaded(tmp_path, csv, constraints=constraints)
    monkeypatch.setattr(conditions_module, "sort", broken)
    decision = policy.decide(question(arguments={"n": 5}))
    assert (decision.permitted, decision.reason) == (False, Reason.DECISION_FAILED)


@pytest.mark.parametrize(
    "line",
    [
        ALLOW.rpartition(",")[0],
        f"{ALLOW}, allow",
        ALLOW.replace("git_log", "git_(log"),
        ALLOW.replace("git_log", '"git_log'),
        ALLOW.replace("git_log", '"a,b"'),
        ALLOW.replace("git_log", ""),
        "p",
        "g",
        ",",
    ],
)
def test_14_a_line_of_another_length_or_with_quotes_is_refused_at_start(
    tmp_path: Path, line: str
) -> None:
    if "(" in line:  # a bracket is a letter like any other: no field swallows the next
        policy = loaded(tmp_path, f"{line}\n{READER}\n")
        assert policy.decide(question(tool="git_(log")).permitted
        assert not policy.decide(question()).permitted
    else:
        assert line_of(refused(tmp_path, f"{READER}\n{line}\n")) in (1, 2)


class Charmer(str):
    """A string with ideas of its own."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize("field", ["subject", "tool", "tenant", "intent", "server", "destination"])
@pytest.mark.parametrize("odd", [Charmer("agent:x"), object(), 1, None, ["git_log"]])
def test_15_only_plain_strings_are_asked(tmp_path: Path, field: str, odd: object) -> None:
    policy = loaded(tmp_path, f"{ALLOW}\n{READER}\n{DENY.replace('*, -', 'nowhere, -')}\n")
    asked: AccessRequest = question(**cast("dict[str, Any]", {field: odd}))
    assert not policy.decide(asked).permitted


def test_the_words_that_switch_casbin_off_are_nowhere_in_the_gateway() -> None:
    forbidden = ("enable_enforce", "FastEnforcer", "EnforceContext", "regexMatch", "keyMatch")
    for path in SOURCES.rglob("*.py"):
        text = path.read_text()
        assert not [word for word in forbidden if word in text], path


def test_casbin_is_imported_by_one_file() -> None:
    importers = [
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if any(
            line.split()[:1] in (["import"], ["from"]) and line.split()[1].split(".")[0] == "casbin"
            for line in path.read_text().splitlines()
            if line.strip()
        )
    ]
    assert importers == ["policy/engine.py"]
