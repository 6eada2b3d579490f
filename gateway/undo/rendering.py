"""A template worked out for one call: plain JSON, or `TemplateFailed`. Pure.

What is absent, other or not known yet never becomes part of the value; every step and byte is counted.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.undo.expressions import Context, Missing, condition, evaluate, kind
from gateway.undo.grammar import Node
from gateway.undo.scope import TemplateFailed
from gateway.undo.templates import (
    Array,
    Eval,
    If,
    Let,
    Literal,
    Map,
    Members,
    Switch,
    Template,
    Text,
    Turned,
)

GONE: Final = object()
"""What a `$if` without `else` gives: the member or item is left out."""


def render(template: Template, context: Context) -> Any:
    """The value: plain JSON. Raises `TemplateFailed`."""
    value = _whole(template, context)
    _settled(value)
    return value


def _settled(value: Any) -> None:
    """What is absent, other or unknown never becomes part of a call."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            if type(each) is not str:
                _settled(each)
    elif isinstance(value, Missing):
        raise value.refuse("a value")


def _render(template: Template, context: Context) -> Any:
    context.budget.step()
    match template:
        case Eval():
            return evaluate(template.node, context)
        case Text():
            spelt = [one if type(one) is str else _spelt(one, context) for one in template.parts]
            return context.budget.made("".join(spelt))
        case Members():
            both = [(key, _render(each, context)) for key, each in template.pairs]
            return context.budget.made({key: each for key, each in both if each is not GONE})
        case Literal():
            return template.value
        case If(test, then, otherwise):
            branch = then if condition(test, context) else otherwise
            return GONE if branch is None else _render(branch, context)
        case Map():
            return _mapped(template, context)
        case Let(names, body):
            values = {name: _whole(each, context) for name, each in names}
            return _render(body, context.having(values))
        case Switch():
            return _switched(template, context)
        case Turned():
            return _turn(template, _whole(template.of, context), context)
        case Array():
            items = [_render(item, context) for item in template.items]
            return context.budget.made([item for item in items if item is not GONE])


def _whole(template: Template, context: Context) -> Any:
    value = _render(template, context)
    if value is GONE:
        raise TemplateFailed("gives no value")
    return value


def _spelt(part: Node, context: Context) -> str:
    value = evaluate(part, context)
    if isinstance(value, str):
        return value
    # Not even an integer: it would become another value on its way through a capture. There is `str`.
    raise TemplateFailed(f"{kind(value)} inside text")


def _mapped(template: Map, context: Context) -> Any:
    over = _whole(template.over, context)
    if not isinstance(over, list):
        raise TemplateFailed(f"$map of {kind(over)}")
    made = []
    for index, item in enumerate(over):
        names = {template.name: item}
        if template.index is not None:
            names[template.index] = index
        value = _render(template.each, context.having(names))
        if value is not GONE:
            made.append(value)
    return context.budget.made(made)


def _switched(template: Switch, context: Context) -> Any:
    holding = [arm for test, arm in template.arms if condition(test, context)]
    if len(holding) > 1:
        raise TemplateFailed("$switch: more than one condition holds")
    arm = holding[0] if holding else template.default
    return GONE if arm is None else _render(arm, context)


def _turn(template: Turned, value: Any, context: Context) -> Any:
    if not isinstance(value, list):
        raise TemplateFailed(f"{template.operator} of {kind(value)}")
    context.budget.step(len(value))
    match template.operator:
        case "$reverse":
            made: Any = value[::-1]
        case "$flatten":
            made = [item for each in value for item in (each if isinstance(each, list) else [each])]
        case "$merge":
            if not all(isinstance(each, dict) for each in value):
                raise TemplateFailed("$merge of a list that holds more than objects")
            made = {key: item for each in value for key, item in each.items()}
        case _:
            made = _sorted(template, value, context)
    return context.budget.made(made)


def _sorted(template: Turned, value: list[Any], context: Context) -> list[Any]:
    keys = value
    if template.by is not None and template.name is not None:
        keys = [evaluate(template.by, context.having({template.name: item})) for item in value]
    kinds = {kind(key) for key in keys}
    if len(kinds) > 1 or not kinds <= {"text", "an integer"}:
        raise TemplateFailed("$sort: the values are not all text, or all integers")
    return [value[i] for i in sorted(range(len(value)), key=keys.__getitem__)]
