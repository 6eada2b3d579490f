from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.core.model import Effect
from gateway.errors import Misconfigured
from gateway.policy import conditions
from tests.policy.written import question

TEXT = """\
conditions:
  short:
    arguments:
      message: {maxLength: 3}
  own:
    arguments:
      /repo/owner: {equals: tenant}
      message: {type: string}
  looking: {effect: [read]}
"""


def read(home: Path, text: str) -> Mapping[str, conditions.Condition]:
    path = home / "constraints.yaml"
    path.write_text(text)
    return conditions.read(path)


def test_no_file_is_no_conditions(tmp_path: Path) -> None:
    assert conditions.read(tmp_path / "constraints.yaml") == {}


def test_a_condition_holds_if_all_it_says_holds(tmp_path: Path) -> None:
    own = read(tmp_path, TEXT)["own"]
    fine = {"repo": {"owner": "local"}, "message": "x"}
    assert conditions.holds(own, question(arguments=fine)) is True
    assert conditions.holds(own, question(arguments=fine, tenant="other")) is False
    assert conditions.holds(own, question(arguments={**fine, "message": 1})) is None
    assert conditions.holds(own, question(arguments={"message": "x"})) is None


def test_a_condition_can_ask_for_the_effect(tmp_path: Path) -> None:
    looking = read(tmp_path, TEXT)["looking"]
    assert conditions.holds(looking, question()) is True
    assert conditions.holds(looking, question(effect=Effect.WRITE)) is False


def test_conditions_are_sorted_into_held_and_doubted(tmp_path: Path) -> None:
    known = read(tmp_path, TEXT)
    named = ["short", "own", "looking", "unknown"]
    asked = question(arguments={"message": "long text"})
    held, doubted = conditions.sort(known, named, asked)
    assert (set(held), set(doubted)) == ({"looking"}, {"own", "unknown"})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("conditions:\n  a:\n    argument: {}\n", 3),
        ("conditions:\n  a: {}\n", 2),
        ("conditions:\n  a:\n    arguments:\n      m: {patern: x}\n", 4),
        ("conditions:\n  a:\n    arguments:\n      m:\n        pattern: '('\n", 5),
        ("conditions:\n  a:\n    arguments:\n      m: {minimum: 2, maximum: 1}\n", 4),
        ("conditions:\n  a:\n    arguments:\n      m: {minLength: 2, maxLength: 1}\n", 4),
        ("conditions:\n  a&b:\n    arguments:\n      m: {maxLength: 1}\n", 2),
        ("conditions:\n  A:\n    arguments:\n      m: {maxLength: 1}\n", 2),
        ("conditions:\n  a:\n    arguments:\n      /m~: {maxLength: 1}\n", 3),
        ("conditions:\n  a:\n    effect: [reed]\n", 3),
        ("condition:\n  a: {}\n", 1),
        ("conditions:\n  a:\n    level: {at_least: perfect}\n", 3),
        ("conditions:\n  a:\n    level: {at_least: exact, below: noop}\n", 3),
        ("conditions:\n  a:\n    level: {}\n", 3),
        ("conditions:\n  a:\n    guard: {at_least: hope}\n", 3),
    ],
)
def test_a_bad_condition_is_refused_with_file_and_line(
    tmp_path: Path, text: str, line: int
) -> None:
    with pytest.raises(Misconfigured) as caught:
        read(tmp_path, text)
    assert caught.value.where is not None
    assert caught.value.where.line == line
