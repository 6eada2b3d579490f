"""Templates as packs write them, rendered; and held against the json-e library itself."""

from __future__ import annotations

from typing import Any

import jsone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.undo.expressions import Budget, Context, Missing
from gateway.undo.functions import FUNCTIONS
from gateway.undo.grammar import TemplateFault
from gateway.undo.rendering import render
from gateway.undo.scope import TemplateFailed
from gateway.undo.templates import compile_template


def rendered(template: Any, **names: Any) -> Any:
    return render(compile_template(template), Context(names, FUNCTIONS, Budget()))


def test_structure_is_kept_and_text_is_filled_in() -> None:
    template = {"path": "/n/${args.id}", "tags": {"$eval": "args.tags"}, "n": 3, "none": None}
    given = {"id": 'a", "path": "/etc/passwd', "tags": ["x", None]}
    assert rendered(template, args=given) == {
        "path": '/n/a", "path": "/etc/passwd',
        "tags": ["x", None],
        "n": 3,
        "none": None,
    }


def test_a_value_that_looks_like_a_template_is_only_a_value() -> None:
    evil = {"$eval": "secret", "x": "${secret}"}
    template = {"a": {"$eval": "v"}, "b": {"$map": {"$eval": "[v]"}, "each(e)": {"$eval": "e"}}}
    assert rendered(template, v=evil, secret="s") == {"a": evil, "b": [evil]}


def test_a_map_with_a_condition_filters() -> None:
    template = {
        "$map": {"$eval": "l"},
        "each(e,i)": {"$if": "e > 1", "then": {"v": {"$eval": "i"}}},
    }
    assert rendered(template, l=[1, 2, 3]) == [{"v": 1}, {"v": 2}]


def test_names_are_given_and_lists_are_turned() -> None:
    assert rendered({"$let": {"a": {"$eval": "n + 1"}}, "in": "${str(a)}"}, n=1) == "2"
    assert rendered({"$flatten": [[1], 2, [3]]}) == [1, 2, 3]
    assert rendered({"$reverse": [1, 2]}) == [2, 1]
    assert rendered({"$merge": [{"a": 1}, {"b": 2}]}) == {"a": 1, "b": 2}
    assert rendered({"$sort": {"$eval": "l"}, "by(x)": "x.k"}, l=[{"k": "b"}, {"k": "a"}])[0] == {
        "k": "a"
    }
    assert rendered({"$switch": {"n == 1": "one", "$default": "more"}}, n=2) == "more"


def test_a_dollar_is_written_twice() -> None:
    assert rendered({"$$eval": "$${x}"}) == {"$eval": "${x}"}


@pytest.mark.parametrize(
    "template",
    [
        "${a.gone}",
        {"$eval": "a['gone']"},
        {"$eval": "[1][1]"},
        "${nothing}",
        "${null}",
        "${a}",
        "${1}",
        "${1.5}",
        "${true}",
        {"$eval": "lost"},
        [{"x": {"$eval": "lost"}}],
        "${lost}",
        {"$eval": "lost == 1"},
        {"$eval": "lost.member"},
        {"$if": "1", "then": 2},
        {"$if": "a", "then": 2},
        {"$if": "false", "then": 2},
        {"$map": {"$eval": "a"}, "each(x)": 1},
        {"$switch": {"true": 1, "1 == 1": 2}},
    ],
    ids=str,
)
def test_what_is_missing_null_or_no_boolean_fails(template: Any) -> None:
    with pytest.raises(TemplateFailed):
        rendered(template, a={"b": 1}, lost=Missing("absent"))


@pytest.mark.parametrize(
    "template",
    [
        {"$fromNow": "1 day"},
        {"$find": [1], "each(x)": "x"},
        {"$json": {}},
        {"$reduce": [], "initial": 0, "each(a,x)": 1},
        {"$unknown": 1},
        {"$eval": "a", "$if": "b"},
        {"$eval": "a", "more": 1},
        {"$eval": 3},
        {"$if": "a"},
        {"$map": [], "each(x)": 1, "each(y)": 2},
        {"$let": {"1x": 1}, "in": 2},
        {"${a}": 1},
        "${a",
        "${a b}",
        "${}",
        {"$eval": ""},
        {"$eval": "a b"},
        {"$eval": "a ."},
        {"$eval": "f("},
        {"$eval": "2 ** 64"},
        {"$eval": "1 / 0"},
        {"$eval": "a.b(1)"},
        {"$eval": "(" * 3000},
    ],
    ids=lambda template: str(template)[:40],
)
def test_what_a_pack_cannot_use_is_a_fault_at_load(template: Any) -> None:
    with pytest.raises(TemplateFault):
        compile_template(template)


def test_numbers_booleans_and_text_are_never_mistaken_for_each_other() -> None:
    for expression in ("1 == true", "1 == 1.0", "'1' == 1", "0 in [false]", "null == false"):
        assert rendered({"$eval": expression}) is False


def test_exact_values_pass_unchanged() -> None:
    values: list[Any] = ["\x00", "\ud800", 2**70, "é\u0301", "\r\n", "", [], {}]
    for value in values:
        assert rendered({"v": {"$eval": "v"}}, v=value) == {"v": value}


def test_steps_are_counted() -> None:
    deep: Any = {"$eval": "l"}
    for name in "abcd":
        deep = {"$map": {"$eval": "l"}, f"each({name})": deep}
    with pytest.raises(TemplateFailed, match="steps"):
        rendered(deep, l=list(range(60)))


def test_bytes_are_counted() -> None:
    doubling: Any = {"$eval": "x0"}
    for n in reversed(range(40)):
        doubling = {"$let": {f"x{n}": {"$eval": f"x{n + 1} + x{n + 1}"}}, "in": doubling}
    with pytest.raises(TemplateFailed, match="too much"):
        # Innermost names are made last, so the chain is given from the other end.
        names = {f"x{n}": "a" * 2**20 for n in range(41)}
        rendered(
            {"$map": {"$eval": "many"}, "each(i)": {"$eval": "x0 + x1"}}, many=[0] * 99, **names
        )
    with pytest.raises(TemplateFault, match="deep"):
        compile_template(doubling)


WORDS = st.sampled_from(["a", "bc", "", "é"])
VALUES = st.recursive(
    WORDS | st.integers(-9, 9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    ),
    max_leaves=6,
)
EXPRESSIONS = st.sampled_from(
    [
        "v",
        "v.x",
        "v[0]",
        "v[0:1]",
        "n + 1",
        "n - 2 * n",
        "n < 3 && w == 'a'",
        "w + w",
        "w in ['a', 'bc']",
        "!(n == 2)",
        "[n, w, v]",
        "{a: n, b: v}",
        "v.x.y",
        "len(w)",
    ]
)
TEMPLATES = st.recursive(
    EXPRESSIONS.map(lambda e: {"$eval": e}) | EXPRESSIONS.map(lambda e: "_${" + e + "}_") | VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("klm"), inner, max_size=3)
        | inner.map(lambda t: {"$map": {"$eval": "many"}, "each(v)": t})
        | inner.map(lambda t: {"$let": {"v": t}, "in": {"$eval": "v"}})
        | st.tuples(inner, inner).map(lambda t: {"$if": "n > 2", "then": t[0], "else": t[1]})
    ),
    max_leaves=5,
)


@settings(max_examples=300)
@given(template=TEMPLATES, v=VALUES, n=st.integers(0, 5), w=WORDS)
def test_where_it_gives_a_value_the_library_gives_the_same(
    template: Any, v: Any, n: int, w: str
) -> None:
    names = {"v": v, "n": n, "w": w, "many": [v, w]}
    try:
        ours = rendered(template, **names)
    except TemplateFailed:
        return
    assert ours == jsone.render(template, names)
