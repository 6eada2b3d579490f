"""The functions of packs: bytes, text, paths and lists, and what they refuse."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.undo.expressions import Budget, Context, Missing, evaluate
from gateway.undo.functions import FUNCTIONS, SIGNATURES
from gateway.undo.grammar import parse
from gateway.undo.scope import TemplateFailed


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def value(expression: str, **names: Any) -> Any:
    return evaluate(parse(expression), Context(names, FUNCTIONS, Budget()))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("utf8(b64('é'))", "é"),
        ("is_utf8(raw)", False),
        ("size(raw)", 2),
        (
            "sha256(b64(''))",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        ("matches('ENOENT: x', '^ENOENT')", True),
        ("capture('on branch main', 'branch ([a-z]+)')", "main"),
        ("is_path('/a/b')", True),
        ("is_path('/a/../b')", False),
        ("is_path('/a//b')", False),
        ("is_path('/a/')", False),
        ("is_path('a')", False),
        ("under('/a/b', '/a')", True),
        ("under('/ab', '/a')", False),
        ("plain('/a', '/a')", "/a"),
        ("relative('/a/b/c', '/a')", "b/c"),
        ("ancestors('/a/b/c', '/a')", ["/a/b", "/a/b/c"]),
        ("dirname('/a/b')", "/a"),
        ("basename('/a/b')", "b"),
        ("segment('a/b%')", "a%2Fb%25"),
        ("segment('')", "%"),
        ("concat([1], [2])", [1, 2]),
        ("unique([1, 1, true, '1'])", [1, True, "1"]),
        ("without([1, 2, 2], [2])", [1]),
        ("only([1, 2, 2], [2])", [2, 2]),
        ("where([{k: 1}, {k: 2}], 'k', 2)", [{"k": 2}]),
        ("where_in([{a: 1, b: 3}, {a: 2, b: 2}], ['a', 'b'], [3])", [{"a": 1, "b": 3}]),
        ("pluck([{k: 1}, {k: 2}], 'k')", [1, 2]),
        ("after(['x y', 'a b c'], ' ')", ["y", "b c"]),
        ("reverse([1, 2])", [2, 1]),
        ("first([3])", 3),
        ("keys({b: 1, a: 2})", ["a", "b"]),
        ("get({a: 1}, 'b', 7)", 7),
        ("same_set([1, 2, 2], [2, 1, 2])", True),
        ("same_set([1, 2], [1, 2, 2])", False),
        ("same({a: [1]}, {a: [1]})", True),
        ("json('[1]')", [1]),
        ("join(split('a,b', ','), '-')", "a-b"),
        ("str(3)", "3"),
        ("len('é')", 1),
        ("absent(lost)", True),
        ("other(folder)", True),
        ("present(lost)", False),
        ("present(raw)", True),
    ],
)
def test_a_function_gives(expression: str, expected: Any) -> None:
    lost, folder = Missing("absent"), Missing("other")
    found = value(expression, raw=b64(b"\xff\x00"), lost=lost, folder=folder)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "utf8(raw)",
        "utf8('not base64!')",
        "utf8('QQ')",
        "b64(surrogate)",
        "matches(surrogate, 'x')",
        "segment(surrogate)",
        "capture('x', 'y(z)')",
        "capture('x', '(y)?x')",
        "matches('x', '(')",
        "plain('/a/../b', '/a')",
        "plain('/b', '/a')",
        "relative('/a', '/a')",
        "ancestors('/b/c', '/a')",
        "first([])",
        "where([{a: 1}], 'k', 1)",
        "pluck([1], 'k')",
        "after(['x'], ' ')",
        "len(3)",
        "str(true)",
        "str(null)",
        "join([1], ',')",
        "concat('a', 'b')",
        "present(later)",
        "len(lost)",
        "utf8(lost)",
        "nothing(1)",
        "len('a', 'b')",
        "json('{')",
    ],
)
def test_a_function_refuses_what_it_was_not_made_for(expression: str) -> None:
    names = {
        "raw": b64(b"\xff"),
        "surrogate": "\ud800",
        "lost": Missing("absent"),
        "later": Missing("not known yet"),
    }
    with pytest.raises(TemplateFailed):
        value(expression, **names)


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time_here() -> None:
    assert value("matches(text, '^(a+)+$')", text="a" * 50_000 + "b") is False


def test_the_page_names_every_function() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "undo-packs.md"
    assert set(re.findall(r"^\| `(\w+)\(", page.read_text(), re.MULTILINE)) == SIGNATURES.keys()
