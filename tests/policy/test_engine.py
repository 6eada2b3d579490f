from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import casbin
import pytest

from gateway.policy.engine import Engine, EngineFault, Question, Row, Verdict, when
from tests.policy.written import MODEL

ROW = Row("P1", "data", "git", "log", "role:r", "local", "general", "local", "-", "allow")
ASKED = Question("data", "git", "log", "agent:a", "local", "general", "local", "-", "-")
MEMBERS = [("agent:a", "role:r", "local")]


def engine() -> Engine:
    return Engine(MODEL.read_text(), MEMBERS)


def test_no_rows_are_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = engine()
    monkeypatch.setattr(casbin.Enforcer, "enforce_ex", lambda *_: (True, []))
    assert sound.ask([], ASKED) == Verdict(False, None)


@pytest.mark.parametrize("field", Question._fields)
@pytest.mark.parametrize("odd", ["", None, 1, b"data"])
def test_a_question_with_a_blank_or_an_object_is_a_fault(field: str, odd: object) -> None:
    changed: dict[str, Any] = {field: odd}
    row = ROW._replace(**changed) if field in Row._fields else ROW
    with pytest.raises(EngineFault, match="non-empty strings"):
        engine().ask([row], ASKED._replace(**changed))


@pytest.mark.parametrize("field", Question._fields)
def test_every_column_counts(field: str) -> None:
    changed = ASKED._replace(**{field: "other"})
    verdict = engine().ask([ROW], changed)
    # What holds besides what a rule needs changes nothing; every other column does.
    assert verdict == (
        Verdict(True, "P1") if field in ("held", "doubted") else Verdict(False, None)
    )


def test_a_row_of_another_effect_is_a_fault() -> None:
    with pytest.raises(EngineFault, match="effect"):
        engine().ask([ROW, ROW._replace(id="D1", effect="Deny")], ASKED)


@pytest.mark.parametrize(
    ("text", "effect", "held", "doubted", "matches"),
    [
        ("-", "allow", "-", "-", True),
        ("-", "deny", "-", "-", True),
        ("a", "allow", "a", "-", True),
        ("a", "allow", "-", "a", False),
        ("a", "deny", "-", "a", True),
        ("a", "deny", "-", "-", False),
        ("a&b", "allow", "a", "b", False),
        ("a&b", "deny", "a", "b", True),
        ("a&b", "deny", "a", "-", False),
    ],
)
def test_a_doubt_never_widens_access(
    text: str, effect: str, held: str, doubted: str, matches: bool
) -> None:
    assert when(text, effect, held, doubted) is matches


def test_a_casbin_that_answers_otherwise_is_found_out_at_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(casbin.Enforcer, "enforce_ex", lambda *_: (True, list(ROW)))
    with pytest.raises(EngineFault):
        engine()


def test_an_answer_that_contradicts_its_rule_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = engine()
    for lie in (
        (True, []),
        (True, list(ROW._replace(effect="deny"))),
        (1, list(ROW)),
        (False, list(ROW)),
    ):
        monkeypatch.setattr(casbin.Enforcer, "enforce_ex", lambda *_, lie=lie: lie)
        with pytest.raises(EngineFault):
            sound.ask([ROW], ASKED)


class Compared(str):
    """A name that counts how often it was compared."""

    times = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return str.__eq__(self, other)


def test_a_name_is_not_compared_with_all_others() -> None:
    """The first decision after the policy changed held up everybody: with 5,000 members for 18 seconds."""
    members = [(Compared(f"agent:{n}"), f"role:{n}", "local") for n in range(200)]
    asked = ASKED._replace(agent="agent:7")
    verdict = Engine(MODEL.read_text(), members).ask([ROW._replace(role="role:7")], asked)
    assert verdict == Verdict(True, "P1")
    assert Compared.times < 10 * len(members)


def test_threads_do_not_get_each_others_answers() -> None:
    shared = engine()
    deny = ROW._replace(id="D1", effect="deny")
    work = [([ROW], Verdict(True, "P1")), ([ROW, deny], Verdict(False, "D1"))] * 200
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda each: shared.ask(each[0], ASKED), work))
    assert answers == [expected for _, expected in work]
