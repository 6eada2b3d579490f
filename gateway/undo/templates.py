"""JSON-e templates: JSON with expressions in it, compiled once at load (rendering.py works them out per call).

Of JSON-e's operators packs have `$eval`, `$if`, `$map`, `$let`, `$switch`, `$merge`, `$flatten`, `$sort`
and `$reverse`; those that look at a clock or read data as a template are refused at load. Structure comes
from the template only: a value can never add a member. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from gateway.undo import grammar
from gateway.undo.grammar import Node, TemplateFault
from gateway.values import Value

MAX_DEPTH: Final = 32
_NAME: Final = r"[a-zA-Z_][a-zA-Z0-9_]*"
_EACH: Final = re.compile(rf"each\(({_NAME})(?:,\s*({_NAME}))?\)")
_BY: Final = re.compile(rf"by\(({_NAME})\)")


class Literal(Value):
    value: Any


class Text(Value):
    """Text with `${..}` in it."""

    parts: tuple[str | Node, ...]


class Eval(Value):
    node: Node


class If(Value):
    test: Node
    then: Template
    otherwise: Template | None


class Map(Value):
    over: Template
    name: str
    index: str | None
    each: Template


class Let(Value):
    names: tuple[tuple[str, Template], ...]
    body: Template


class Switch(Value):
    arms: tuple[tuple[Node, Template], ...]
    default: Template | None


class Turned(Value):
    """`$merge`, `$flatten`, `$reverse`, `$sort` of one value."""

    operator: str
    of: Template
    name: str | None = None
    by: Node | None = None


class Array(Value):
    items: tuple[Template, ...]


class Members(Value):
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
    if "$default" not in arms:
        return Switch(compiled, None)
    return Switch(compiled, _inside(arms["$default"], depth, "$switch", "$default"))


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


def expressions(template: Template) -> Iterator[Node]:
    """Every expression in the template, from its outermost node."""
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
