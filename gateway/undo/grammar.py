"""JSON-e expressions, parsed once: the library's grammar, and what of it a pack may use.

Text -> a tree of the library's nodes, checked to be whole. What may stand in it is decided here at
load; what it is worth for a call is expressions.py's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from jsone.AST import ASTNode, BinOp, ContextValue, FunctionCall, List, Object, UnaryOp, ValueAccess
from jsone.parser import Parser
from jsone.render import tokenizer
from jsone.shared import JSONTemplateError

__all__ = [
    "BinOp",
    "ContextValue",
    "FunctionCall",
    "List",
    "Node",
    "Object",
    "Plain",
    "UnaryOp",
    "ValueAccess",
]

Node = Any
"""A node of the library's tree; it has no types of its own."""
Plain: Final = ASTNode
"""The class of a literal: the library has no other name for it."""

MAX_TEXT: Final = 4_096
_ALLOWED: Final = frozenset("|| && in == != < > <= >= + - * . !".split())


class TemplateFault(ValueError):
    """A template that cannot be used, found at load. `path`: where in the template."""

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path

    def under(self, *steps: str | int) -> TemplateFault:
        """The same fault, seen from further out."""
        return TemplateFault(self.message, (*steps, *self.path))


def parse(text: str) -> Node:
    """One whole expression. Raises `TemplateFault`."""
    parser, tree = _parsed(text)
    if parser.current_token is not None:
        raise TemplateFault(f"{text!r}: nothing may follow at {parser.current_token.value!r}")
    return tree


def parse_interpolated(text: str) -> tuple[Node, int]:
    """The expression at the beginning of `text`, and where the `}` after it stands. Raises `TemplateFault`."""
    parser, tree = _parsed(text)
    if parser.current_token is None or parser.current_token.kind != "}":
        raise TemplateFault(f"{text!r}: ${{..}} does not end")
    return tree, int(parser.current_token.start)


def _parsed(text: str) -> tuple[Any, Node]:
    if len(text) > MAX_TEXT:
        raise TemplateFault(f"an expression longer than {MAX_TEXT} characters")
    try:
        parser = Parser(text, tokenizer)
        tree = parser.parse()
    except JSONTemplateError as error:
        raise TemplateFault(f"{text!r}: {error.args[0]}") from None
    except (AttributeError, StopIteration, RecursionError, TypeError):
        # What the library's parser does at an end it did not foresee.
        raise TemplateFault(f"{text!r}: not a whole expression") from None
    _check(tree, text)
    return parser, tree


def _check(tree: Node, text: str) -> None:
    """Raises `TemplateFault` for a hole in the tree, and for an operator packs do without."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, ASTNode):
            raise TemplateFault(f"{text!r}: not a whole expression")
        if isinstance(node, BinOp | UnaryOp) and node.token.kind not in _ALLOWED:
            raise TemplateFault(f"{text!r}: packs have no operator {node.token.value}")
        if isinstance(node, FunctionCall) and not isinstance(node.name, ContextValue):
            raise TemplateFault(f"{text!r}: only a named function can be called")
        waiting.extend(children(node))


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below one; the name of a member or a function is not one."""
    match node:
        case BinOp():
            yield node.left
            if node.token.kind != ".":
                yield node.right
        case UnaryOp():
            yield node.expr
        case FunctionCall():
            yield from node.args
        case List():
            yield from items(node)
        case Object():
            yield from node.obj.values()
        case ValueAccess():
            yield node.arr
            yield from (side for side in (node.left, node.right) if side is not None)


def items(node: Node) -> list[Node]:
    """The items of a list node: the library's parser writes the empty list as a list of one None."""
    return [] if node.list == [None] else list(node.list)


def member(node: Node) -> str:
    """The `name` of `x.name`."""
    return str(node.right.token.value)


def unquoted(text: str) -> str:
    """A string literal without its quotes; JSON-e knows no escapes."""
    return text[1:-1]
