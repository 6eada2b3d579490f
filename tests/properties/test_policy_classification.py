"""Nothing an agent sends lowers a class: more rules only lift, and only parsed arguments are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Effect, JsonObject, Resolved, Target, Tier
from gateway.core.model import Entry as Described
from gateway.errors import Where
from gateway.policy import patterns
from gateway.policy.asking import Asked
from gateway.policy.classify import Classifier
from gateway.policy.tiers import Entry, Line
from gateway.values import replace

TARGET: Final = Target("db", "tool", "query")
scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text("abdrop ", max_size=6)
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2), max_leaves=4)
arguments = st.dictionaries(st.sampled_from(["q", "r", "s"]), values, max_size=3)
fragments = st.sampled_from(
    [
        {"pattern": "drop"},
        {"pattern": "^a"},
        {"minimum": 1},
        {"const": True},
        {"enum": ["a", 1]},
        {"maxLength": 2},
        {"type": "string"},
        {"items": {"maxLength": 1}},
    ]
)
tiers, effects = st.sampled_from(list(Tier)), st.sampled_from(list(Effect))
lifts = st.fixed_dictionaries(
    {"argument": st.sampled_from(["q", "r", "/s/0"]), "tier": tiers, "effect": effects}
)
rules = st.lists(
    st.tuples(lifts, st.sampled_from(["matches", "unless"]), fragments).map(
        lambda each: {**each[0], each[1]: each[2]}
    ),
    max_size=4,
)


def classifier(tier: Tier, effect: Effect, raising: list[dict[str, Any]]) -> Classifier:
    import json

    entry = Entry.model_validate_json(
        json.dumps({"tier": tier, "effect": effect, "raise": raising})
    )
    line = Line(patterns.names("query"), "query", entry, Where("tiers.yaml", 1))
    return Classifier({"db": {"tools": (line,)}}, {}, {}, "fresh")


def resolved(sent: JsonObject) -> Resolved:
    return Asked("agent:a", TARGET, sent).resolved()


@given(tiers, effects, rules, arguments)
def test_a_class_is_never_below_the_entrys_own(
    tier: Tier, effect: Effect, raising: list[dict[str, Any]], sent: JsonObject
) -> None:
    found = classifier(tier, effect, raising).classify(resolved(sent))
    assert found.tier.rank >= tier.rank
    assert found.effect.rank >= effect.rank


@given(tiers, effects, rules, rules, arguments)
def test_more_rules_never_lower_a_class_and_their_order_does_not_matter(
    tier: Tier,
    effect: Effect,
    some: list[dict[str, Any]],
    more: list[dict[str, Any]],
    sent: JsonObject,
) -> None:
    few = classifier(tier, effect, some).classify(resolved(sent))
    all_of_them = classifier(tier, effect, some + more).classify(resolved(sent))
    turned = classifier(tier, effect, (some + more)[::-1]).classify(resolved(sent))
    assert all_of_them.tier.rank >= few.tier.rank
    assert all_of_them.effect.rank >= few.effect.rank
    assert (all_of_them.tier, all_of_them.effect) == (turned.tier, turned.effect)


@given(tiers, effects, rules, arguments, st.sampled_from(["q", "r", "s"]))
def test_leaving_an_argument_out_never_lowers_a_class(
    tier: Tier, effect: Effect, raising: list[dict[str, Any]], sent: JsonObject, name: str
) -> None:
    judge = classifier(tier, effect, raising)
    with_it = judge.classify(resolved(sent))
    without = judge.classify(resolved({k: v for k, v in sent.items() if k != name}))
    assert without.tier.rank >= with_it.tier.rank
    assert without.effect.rank >= with_it.effect.rank


@given(tiers, effects, rules, arguments)
def test_the_class_is_one_of_the_possible_ones(
    tier: Tier, effect: Effect, raising: list[dict[str, Any]], sent: JsonObject
) -> None:
    judge = classifier(tier, effect, raising)
    possible = {(each.tier, each.effect) for each in judge.possible(resolved({}))}
    found = judge.classify(resolved(sent))
    assert (found.tier, found.effect) in possible


CLAIMS: Final[Mapping[str, Any]] = {
    "name": "query",
    "annotations": {"readOnlyHint": True, "destructiveHint": False},
    "_meta": {"tier": "data", "effect": "read"},
}


@given(arguments, st.dictionaries(st.text(max_size=4), values, max_size=3))
def test_headers_meta_and_annotations_change_nothing(sent: JsonObject, meta: JsonObject) -> None:
    judge = classifier(
        Tier.TOOL, Effect.WRITE, [{"argument": "q", "matches": {"const": 1}, "tier": "admin"}]
    )
    plain = resolved(sent)
    dressed = replace(
        plain,
        request=replace(plain.request, extra_headers=(("mcp-param-tier", "data"),)),
        entry=Described(TARGET, "db__query", dict(CLAIMS), "sha256:0"),
        params={**plain.params, "_meta": {**meta, "tier": "data"}},
    )
    one, two = judge.classify(plain), judge.classify(dressed)
    assert (one.tier, one.effect, one.destination) == (two.tier, two.effect, two.destination)
