"""JSON-e templates: JSON with expressions in it, compiled once at load and rendered per call.

Of JSON-e's operators packs have `$eval`, `$if`, `$map`, `$let`, `$switch`, `$merge`, `$flatten`, `$sort`
and `$reverse`; those that look at a clock or read data as a template are refused at load. Structure comes
from the template only: a value can never add a member. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.undo import grammar
from gateway.undo.expressions import Context, Missing, condition, evaluate, kind
from gateway.undo.grammar import Node, TemplateFault
from gateway.undo.scope import TemplateFailed

MAX_DEPTH: Final = 32
GONE: Final = object()
"""What a `$if` without `else` gives: the member or item is left out."""
_NAME: Final = r"[a-zA-Z_][a-zA-Z0-9_]*"
_EACH: Final = re.compile(rf"each\(({_NAME})(?:,\s*({_NAME}))?\)")
_BY: Final = re.compile(rf"by\(({_NAME})\)")


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Text:
    """Text with `${..}` in it."""

    parts: tuple[str | Node, ...]


@dataclass(frozen=True, slots=True)
class Eval:
    node: Node


@dataclass(frozen=True, slots=True)
class If:
    test: Node
    then: Template
    otherwise: Template | None


@dataclass(frozen=True, slots=True)
class Map:
    over: Template
    name: str
    index: str | None
    each: Template


@dataclass(frozen=True, slots=True)
class Let:
    names: tuple[tuple[str, Template], ...]
    body: Template


@dataclass(frozen=True, slots=True)
class Switch:
    arms: tuple[tuple[Node, Template], ...]
    default: Template | None


@dataclass(frozen=True, slots=True)
class Turned:
    """`$merge`, `$flatten`, `$reverse`, `$sort` of one value."""

    operator: str
    of: Template
    name: str | None = None
    by: Node | None = None


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Template, ...]


@dataclass(frozen=True, slots=True)
class Members:
    pairs: tuple[tuple[str, Template], ...]


Template = Literal | Text | Eval | If | Map | Let | Switch | Turned | Array | Members


def compile_template(value: Any, depth: int = 0) -> Template:
    """Raises `TemplateFault` with the place in the template."""
    if depth > MAX_DEPTH:
        raise TemplateFault("nested too deeply")
    match value:
        case str():
            return _text(value)
        case list():
            return Array(tuple(_inside(each, depth, i) for i, each in enumerate(value)))
        case dict():
            return _object(value, depth)
    return Literal(value)


def _inside(value: Any, depth: int, *steps: str | int) -> Template:
    try:
        return compile_template(value, depth + 1)
    except TemplateFault as fault:
        raise fault.under(*steps) from None


def expression(value: Any, *steps: str | int) -> Node:
    """One expression: text. Raises `TemplateFault`."""
    if not isinstance(value, str):
        raise TemplateFault("must be an expression", steps)
    try:
        return grammar.parse(value)
    except TemplateFault as fault:
        raise fault.under(*steps) from None


def _text(text: str) -> Template:
    parts: list[str | Node] = []
    while (found := re.search(r"\$?\$\{", text)) is not None:
        parts.append(text[: found.start()])
        text = text[found.end() :]
        if found.group() == "$${":
            parts.append("${")
        else:
            node, end = grammar.parse_interpolated(text)
            parts.append(node)
            text = text[end + 1 :]
    if all(isinstance(part, str) for part in parts):
        return Literal("".join(map(str, parts)) + text)
    return Text((*parts, text))


def _object(value: dict[str, Any], depth: int) -> Template:
    operators = [key for key in value if key.startswith("$") and not key.startswith("$$")]
    if not operators:
        return Members(tuple((_key(key), _inside(each, depth, key)) for key, each in value.items()))
    operator = operators[0]
    if len(operators) > 1 or operator not in _OPERATORS:
        raise TemplateFault(f"packs have no operator {operators[-1]} here", (operators[-1],))
    return _OPERATORS[operator](value, depth)


def _key(key: str) -> str:
    if "${" in key:
        raise TemplateFault(f"{key}: a member's name is never computed", (key,))
    return key[1:] if key.startswith("$$") else key


def _only(value: dict[str, Any], *allowed: str) -> None:
    for key in value:
        if key not in allowed:
            raise TemplateFault(f"{key}: unknown beside {allowed[0]}", (key,))


def _needed(value: dict[str, Any], key: str) -> Any:
    if key not in value:
        raise TemplateFault(f"{next(iter(value))} needs {key}")
    return value[key]


def _eval(value: dict[str, Any], depth: int) -> Template:
    _only(value, "$eval")
    return Eval(expression(value["$eval"], "$eval"))


def _if(value: dict[str, Any], depth: int) -> Template:
    _only(value, "$if", "then", "else")
    then = _inside(_needed(value, "then"), depth, "then")
    otherwise = _inside(value["else"], depth, "else") if "else" in value else None
    return If(expression(value["$if"], "$if"), then, otherwise)


def _map(value: dict[str, Any], depth: int) -> Template:
    eaches = [(key, found) for key in value if (found := _EACH.fullmatch(key))]
    if len(eaches) != 1 or len(value) != 2:
        raise TemplateFault("$map needs exactly one each(name)")
    (key, found), over = eaches[0], _inside(value["$map"], depth, "$map")
    return Map(over, found.group(1), found.group(2), _inside(value[key], depth, key))


def _let(value: dict[str, Any], depth: int) -> Template:
    _only(value, "$let", "in")
    names = value["$let"]
    if not isinstance(names, dict) or not all(re.fullmatch(_NAME, name) for name in names):
        raise TemplateFault("$let names values", ("$let",))
    pairs = tuple((name, _inside(each, depth, "$let", name)) for name, each in names.items())
    return Let(pairs, _inside(_needed(value, "in"), depth, "in"))


def _switch(value: dict[str, Any], depth: int) -> Template:
    _only(value, "$switch")
    arms = value["$switch"]
    if not isinstance(arms, dict):
        raise TemplateFault("$switch holds conditions", ("$switch",))
    compiled = tuple(
        (expression(test, "$switch", test), _inside(each, depth, "$switch", test))
        for test, each in arms.items()
        if test != "$default"
    )
    default = arms.get("$default", GONE)
    return Switch(
        compiled, None if default is GONE else _inside(default, depth, "$switch", "$default")
    )


def _turned(operator: str) -> Callable[[dict[str, Any], int], Template]:
    def compiled(value: dict[str, Any], depth: int) -> Template:
        by = next((key for key in value if _BY.fullmatch(key)), None)
        if by is None or operator != "$sort":
            _only(value, operator)
            return Turned(operator, _inside(value[operator], depth, operator))
        _only(value, operator, by)
        name = by[3:-1]
        return Turned(
            operator, _inside(value[operator], depth, operator), name, expression(value[by], by)
        )

    return compiled


_OPERATORS: Final[dict[str, Callable[[dict[str, Any], int], Template]]] = {
    "$eval": _eval,
    "$if": _if,
    "$map": _map,
    "$let": _let,
    "$switch": _switch,
    **{name: _turned(name) for name in ("$merge", "$flatten", "$reverse", "$sort")},
}


def render(template: Template, context: Context) -> Any:
    """The value: plain JSON. Raises `TemplateFailed`."""
    value = _render(template, context)
    if value is GONE:
        raise TemplateFailed("gives no value")
    _settled(value)
    return value


def _settled(value: Any) -> None:
    """What is absent, other or unknown never becomes part of a call."""
    match value:
        case Missing():
            raise value.refuse("a value")
        case dict():
            for each in value.values():
                _settled(each)
        case list():
            for each in value:
                _settled(each)


def _render(template: Template, context: Context) -> Any:
    context.budget.step()
    match template:
        case Literal(value):
            return value
        case Text(parts):
            return context.budget.made("".join(_spelt(part, context) for part in parts))
        case Eval(node):
            return evaluate(node, context)
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
        case Array(items):
            rendered = (_render(item, context) for item in items)
            return context.budget.made([item for item in rendered if item is not GONE])
        case Members(pairs):
            both = ((key, _render(each, context)) for key, each in pairs)
            return context.budget.made({key: each for key, each in both if each is not GONE})


def _whole(template: Template, context: Context) -> Any:
    value = _render(template, context)
    if value is GONE:
        raise TemplateFailed("gives no value")
    return value


def _spelt(part: str | Node, context: Context) -> str:
    if isinstance(part, str):
        return part
    value = evaluate(part, context)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
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


def nodes(template: Template) -> Iterator[Node]:
    """Every expression in the template, with all its nodes."""
    waiting: list[Any] = [template]
    while waiting:
        match waiting.pop():
            case Literal() | str() | None:
                pass
            case Text(parts):
                waiting.extend(parts)
            case If(test, then, otherwise):
                waiting.extend((test, then, otherwise))
            case Map(over, _, _, each):
                waiting.extend((over, each))
            case Let(names, body):
                waiting.extend((*(each for _, each in names), body))
            case Switch(arms, default):
                waiting.extend((*(part for arm in arms for part in arm), default))
            case Turned(_, of, _, by):
                waiting.extend((of, by))
            case Array(items):
                waiting.extend(items)
            case Members(pairs):
                waiting.extend(each for _, each in pairs)
            case Eval(node):
                waiting.append(node)
            case node:
                yield node
                waiting.extend(grammar.children(node))
