"""What an expression is worth: JSON-e's meaning, made strict, counted and free of surprises.

Where JSON-e is lenient this is not: a missing member, an index out of range, a value that is absent or
other, a condition that is not a boolean and an interpolated null all raise `TemplateFailed`; `1`, `1.0`
and `true` are three things. Every step and every byte made is counted. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.undo import grammar
from gateway.undo.alike import same
from gateway.undo.grammar import (
    BinOp,
    ContextValue,
    FunctionCall,
    List,
    Node,
    Object,
    UnaryOp,
    ValueAccess,
)
from gateway.undo.scope import TemplateFailed
from gateway.values import Value

MAX_STEPS: Final = 200_000
MAX_BYTES: Final = 32 * 1024 * 1024
_SIZED: Final = frozenset({str, list, dict})
Function = Callable[..., Any]


class Missing(Value):
    """Stands in a context for what is not a value: `absent`, `other`, or not known yet."""

    what: str
    why: str = ""

    def refuse(self, name: str) -> TemplateFailed:
        return TemplateFailed(f"{name} is {self.what}{self.why and ': '}{self.why}")


class Budget:
    """What one rendering may cost. Raises `TemplateFailed` when it is spent."""

    __slots__ = ("bytes", "steps")

    def __init__(self, steps: int = MAX_STEPS, size: int = MAX_BYTES) -> None:
        self.steps = steps
        self.bytes = size

    def step(self, count: int = 1) -> None:
        self.steps -= count
        if self.steps < 0:
            raise TemplateFailed("takes too many steps")

    def made(self, value: Any) -> Any:
        """A new value: text costs its length, numbers and lists their size."""
        if type(value) in _SIZED:
            self.bytes -= len(value)
        elif type(value) is int:
            self.bytes -= value.bit_length() // 8
        if self.bytes < 0:
            raise TemplateFailed("makes too much")
        return value


class Context(Value):
    """The names an expression may use, the functions, and what may still be spent."""

    names: Mapping[str, Any]
    functions: Mapping[str, Function]
    budget: Budget

    def having(self, names: Mapping[str, Any]) -> Context:
        return Context({**self.names, **names}, self.functions, self.budget)


def evaluate(node: Node, context: Context) -> Any:
    """The value of a checked expression. Raises `TemplateFailed`."""
    context.budget.step()
    match node:
        case ContextValue():
            return _named(node.token.value, context)
        case FunctionCall():
            return _called(node, context)
        case BinOp():
            return _binary(node, context)
        case UnaryOp():
            return _unary(node.token.kind, evaluate(node.expr, context), context)
        case ValueAccess():
            return _accessed(node, context)
        case List():
            return context.budget.made([evaluate(item, context) for item in grammar.items(node)])
        case Object():
            pairs = {key: evaluate(value, context) for key, value in node.obj.items()}
            return context.budget.made(pairs)
    return _literal(node.token)


def _literal(token: Any) -> Any:
    match token.kind:
        case "number":
            return float(token.value) if "." in token.value else int(token.value)
        case "string":
            return grammar.unquoted(token.value)
    return {"true": True, "false": False, "null": None}[token.kind]


def condition(node: Node, context: Context) -> bool:
    """The value of an expression that must be true or false."""
    return _boolean(evaluate(node, context))


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TemplateFailed(f"a condition is {kind(value)}, not true or false")
    return value


def _named(name: str, context: Context) -> Any:
    try:
        return context.names[name]
    except KeyError:
        raise TemplateFailed(f"nothing is called {name}") from None


def _called(node: Node, context: Context) -> Any:
    name = node.name.token.value
    try:
        function = context.functions[name]
        arguments = [evaluate(each, context) for each in node.args]
        context.budget.step(sum(len(a) for a in arguments if isinstance(a, list | dict)))
        return context.budget.made(function(*arguments))
    except KeyError:
        raise TemplateFailed(f"no function {name}") from None
    except TypeError:
        raise TemplateFailed(f"{name}: not what it takes") from None
    except ValueError as error:
        raise TemplateFailed(f"{name}: {error}") from None


def _binary(node: Node, context: Context) -> Any:
    operator = node.token.kind
    left = evaluate(node.left, context)
    match operator:
        case ".":
            return _member(left, grammar.member(node))
        case "&&":
            return _boolean(left) and _boolean(evaluate(node.right, context))
        case "||":
            return _boolean(left) or _boolean(evaluate(node.right, context))
    right = evaluate(node.right, context)
    for side in (left, right):
        if isinstance(side, Missing):
            raise side.refuse("a side of " + operator)
    match operator:
        case "==":
            return same(left, right)
        case "!=":
            return not same(left, right)
        case "in":
            return _within(left, right, context.budget)
        case "<" | ">" | "<=" | ">=":
            return _ordered(operator, left, right)
    return context.budget.made(_arithmetic(operator, left, right))


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    if not (_is_number(left) and _is_number(right)):
        raise TemplateFailed(f"{kind(left)} {operator} {kind(right)}")
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
    return left * right


def _ordered(operator: str, left: Any, right: Any) -> bool:
    text = isinstance(left, str) and isinstance(right, str)
    if not text and not (_is_number(left) and _is_number(right)):
        raise TemplateFailed(f"{kind(left)} {operator} {kind(right)}")
    match operator:
        case "<":
            return bool(left < right)
        case ">":
            return bool(left > right)
        case "<=":
            return bool(left <= right)
    return bool(left >= right)


def _within(left: Any, right: Any, budget: Budget) -> bool:
    if isinstance(right, list):
        budget.step(len(right))
        return any(same(left, item) for item in right)
    if isinstance(right, dict | str) and isinstance(left, str):
        return left in right
    raise TemplateFailed(f"{kind(left)} in {kind(right)}")


def _unary(operator: str, value: Any, context: Context) -> Any:
    if operator == "!":
        return not _boolean(value)
    if not _is_number(value):
        raise TemplateFailed(f"{operator} {kind(value)}")
    return context.budget.made(-value if operator == "-" else value)


def _member(value: Any, name: str) -> Any:
    if isinstance(value, Missing):
        raise value.refuse(f"what .{name} is asked of")
    if not isinstance(value, dict):
        raise TemplateFailed(f".{name} of {kind(value)}")
    if name not in value:
        raise TemplateFailed(f"no member {name}")
    return value[name]


def _accessed(node: Node, context: Context) -> Any:
    value = evaluate(node.arr, context)
    left = evaluate(node.left, context) if node.left is not None else None
    right = evaluate(node.right, context) if node.right is not None else None
    if isinstance(value, Missing):
        raise value.refuse("what [..] is asked of")
    if node.isInterval:
        if not isinstance(value, list | str) or not _is_index(left) or not _is_index(right):
            raise TemplateFailed(f"{kind(value)}[{kind(left)}:{kind(right)}]")
        return context.budget.made(value[left:right])
    if isinstance(value, dict) and isinstance(left, str):
        return _member(value, left)
    if not isinstance(value, list | str) or left is None or not _is_index(left):
        raise TemplateFailed(f"{kind(value)}[{kind(left)}]")
    if not -len(value) <= left < len(value):
        raise TemplateFailed("an index out of range")
    return value[left]


def _is_index(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def kind(value: Any) -> str:
    """What a value is, in a word: for messages, never the value itself."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case Missing():
            return value.what
    return "no JSON value"
