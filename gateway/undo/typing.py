"""Expressions and templates checked against schemas, at load: a misspelt member is found before a call meets it.

It follows names to their shapes and functions to what they take and give. It proves no template right;
it refuses what can never work. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.core.linear import compiled
from gateway.core.model import JsonObject
from gateway.undo import grammar
from gateway.undo.chains import is_text
from gateway.undo.functions import SIGNATURES
from gateway.undo.grammar import (
    BinOp,
    ContextValue,
    FunctionCall,
    List,
    Node,
    Object,
    TemplateFault,
    UnaryOp,
    ValueAccess,
)
from gateway.undo.shapes import ANY, Shape, Wrong, either, fits, json_type, list_of, object_of
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

Names = Mapping[str, Shape]
BOOLEAN: Final = Shape({"type": "boolean"})
STRING: Final = Shape({"type": "string"})
LIST: Final = Shape({"type": "array"})


def value_of(node: Node, names: Names) -> Shape:
    """The shape of an expression's value. Raises `TemplateFault`."""
    try:
        return _value(node, names)
    except Wrong as wrong:
        raise TemplateFault(str(wrong)) from None


def condition(node: Node, names: Names) -> None:
    """Raises `TemplateFault` unless the expression can be true or false."""
    try:
        _value(node, names).must_be("boolean", "a condition that is")
    except Wrong as wrong:
        raise TemplateFault(str(wrong)) from None


def _value(node: Node, names: Names) -> Shape:
    match node:
        case ContextValue():
            if node.token.value not in names:
                known = ", ".join(sorted(names))
                raise Wrong(f"nothing is called {node.token.value}; there are: {known}")
            return names[node.token.value]
        case FunctionCall():
            return _function(node, names)
        case BinOp():
            return _operator(node, names)
        case UnaryOp():
            inner = _value(node.expr, names)
            inner.must_be("boolean" if node.token.kind == "!" else "number", node.token.kind)
            return BOOLEAN if node.token.kind == "!" else inner
        case ValueAccess():
            return _access(node, names)
        case List():
            inner_shapes = [_value(item, names) for item in grammar.items(node)]
            return list_of(inner_shapes)
        case Object():
            return object_of({key: _value(each, names) for key, each in node.obj.items()})
    kind = node.token.kind
    if kind == "number":
        return Shape({"type": "number" if "." in node.token.value else "integer"})
    types = {"string": "string", "null": "null"}
    return Shape({"type": types.get(kind, "boolean")})


def _function(node: Node, names: Names) -> Shape:
    name = node.name.token.value
    signature = SIGNATURES.get(name)
    if signature is None:
        raise Wrong(f"no function {name}; there are: {', '.join(sorted(SIGNATURES))}")
    if len(node.args) != len(signature.takes):
        raise Wrong(f"{name} takes {len(signature.takes)}, not {len(node.args)}")
    shapes = [_value(each, names) for each in node.args]
    for shape, wanted in zip(shapes, signature.takes, strict=True):
        if wanted not in ("any", "maybe"):
            shape.must_be(wanted, f"{name} takes {wanted}, not")
    _literal_pattern(name, node)
    _named_members(name, node, shapes)
    match name:
        case "first":
            return shapes[0].items()
        case "unique" | "without" | "only" | "where" | "where_in" | "reverse":
            return shapes[0]
        case "concat":
            return list_of([shape.items() for shape in shapes])
    return Shape(signature.gives)


def _literal_pattern(name: str, node: Node) -> None:
    if name in ("matches", "capture") and node.args[1].token.kind == "string":
        pattern = grammar.unquoted(node.args[1].token.value)
        try:
            groups = compiled(pattern).groups
        except ValueError as error:
            raise Wrong(str(error)) from None
        if name == "capture" and groups < 1:
            raise Wrong(f"{pattern!r} captures nothing: put parentheses around what is wanted")


def _named_members(name: str, node: Node, shapes: list[Shape]) -> None:
    """`where`, `pluck` and `where_in` name members by text."""
    if name in ("where", "pluck") and is_text(node.args[1]):
        shapes[0].items().member(grammar.unquoted(node.args[1].token.value))
    if name == "where_in" and isinstance(node.args[1], List):
        for each in filter(is_text, grammar.items(node.args[1])):
            shapes[0].items().member(grammar.unquoted(each.token.value))


def _operator(node: Node, names: Names) -> Shape:
    operator = node.token.kind
    left = _value(node.left, names)
    if operator == ".":
        return left.member(grammar.member(node))
    right = _value(node.right, names)
    match operator:
        case "&&" | "||":
            for side in (left, right):
                side.must_be("boolean", f"{operator} between conditions, not")
        case "==" | "!=":
            _comparable(left, right, operator)
        case "+" | "-" | "*":
            return left
    return BOOLEAN


def _comparable(left: Shape, right: Shape, operator: str) -> None:
    one, two = left.types(), right.types()
    if one and two and not any(fits(one, each) for each in two):
        words = [" or ".join(sorted(types)) for types in (one, two)]
        raise Wrong(f"{words[0]} {operator} {words[1]}: never the same")


def _access(node: Node, names: Names) -> Shape:
    value = _value(node.arr, names)
    inner = [_value(side, names) for side in (node.left, node.right) if side is not None]
    if node.isInterval:
        return value
    if is_text(node.left):
        return value.member(grammar.unquoted(node.left.token.value))
    types = value.types()
    if types == frozenset({"string"}):
        return STRING
    if types == frozenset({"array"}) and not (inner and inner[0].types() == frozenset({"string"})):
        return value.items()
    return ANY


def shape_of(template: Template, names: Names) -> Shape:
    """The shape of what a template gives. Raises `TemplateFault` at its place."""
    match template:
        case Literal(value):
            return _literal(value)
        case Text(parts):
            for part in parts:
                if not isinstance(part, str):
                    _interpolated(part, names)
            return STRING
        case Eval(node):
            return value_of(node, names)
        case If(test, then, otherwise):
            condition(test, names)
            both = [_at(then, names, "then")]
            if otherwise is not None:
                both.append(_at(otherwise, names, "else"))
            return either(both)
        case Map(over, name, index, each):
            return _mapped(over, name, index, each, names)
        case Let(pairs, body):
            inner = {name: _at(each, names, "$let", name) for name, each in pairs}
            return _at(body, {**names, **inner}, "in")
        case Switch(arms, default):
            for test, _ in arms:
                condition(test, names)
            bodies = [arm for _, arm in arms] + ([] if default is None else [default])
            return either([_at(arm, names, "$switch") for arm in bodies])
        case Turned():
            return _turned(template, names)
        case Array(items):
            return list_of([_at(item, names, i) for i, item in enumerate(items)])
        case Members(pairs):
            return _members(pairs, names)


def _at(template: Template, names: Names, *steps: str | int) -> Shape:
    try:
        return shape_of(template, names)
    except TemplateFault as fault:
        raise fault.under(*steps) from None


def _literal(value: Any) -> Shape:
    return Shape({"const": value, "type": json_type(value)})


def _interpolated(node: Node, names: Names) -> None:
    types = value_of(node, names).types()
    if types is not None and "string" not in types:
        raise TemplateFault(f"{' or '.join(sorted(types))} inside text")


def _mapped(over: Template, name: str, index: str | None, each: Template, names: Names) -> Shape:
    whole = _at(over, names, "$map")
    try:
        inner = {name: whole.items()}
    except Wrong as wrong:
        raise TemplateFault(f"$map: {wrong}", ("$map",)) from None
    if index is not None:
        inner[index] = Shape({"type": "integer"})
    return list_of([_at(each, {**names, **inner}, f"each({name})")])


def _turned(template: Turned, names: Names) -> Shape:
    whole = _at(template.of, names, template.operator)
    try:
        inner = whole.items()
        if template.by is not None and template.name is not None:
            value_of(template.by, {**names, template.name: inner})
        if template.operator == "$flatten":
            types = inner.types()
            return list_of([inner.items()]) if types == frozenset({"array"}) else LIST
    except Wrong as wrong:
        raise TemplateFault(f"{template.operator}: {wrong}", (template.operator,)) from None
    return ANY if template.operator == "$merge" else whole


def _members(pairs: tuple[tuple[str, Template], ...], names: Names) -> Shape:
    shapes = {key: _at(each, names, key) for key, each in pairs}
    sure = [key for key, each in pairs if not (isinstance(each, If) and each.otherwise is None)]
    return object_of(shapes, sure)


def arguments(template: Members, names: Names, descriptor: JsonObject) -> None:
    """Can this tool be called so? Members it knows, all it needs, types that fit. Raises `TemplateFault`."""
    schema = descriptor.get("inputSchema", {})
    wanted = Shape(schema, schema)
    given = shape_of(template, names)
    properties = given.schema["properties"]
    for name, inner in properties.items():
        try:
            takes = wanted.member(name).types()
        except Wrong as wrong:
            raise TemplateFault(f"{descriptor.get('name')}: {wrong}", (name,)) from None
        types = Shape(inner).types()
        if takes and types and not any(fits(takes, each) for each in types):
            words = f"{' or '.join(sorted(types))}, not {' or '.join(sorted(takes))}"
            raise TemplateFault(f"{descriptor.get('name')}: {name} is {words}", (name,))
    for name in schema.get("required", ()):
        if name not in properties:
            raise TemplateFault(f"{descriptor.get('name')}: {name} is required")
