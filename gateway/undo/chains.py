"""What an expression or a template looks at: the paths of members in it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.undo import grammar
from gateway.undo.grammar import BinOp, ContextValue, Node, ValueAccess
from gateway.undo.templates import Template, expressions


def chains(template: Template) -> Iterator[tuple[str, ...]]:
    """Every path of members a template looks at, as long as it is: `("args", "login", "user")`.

    A name used whole, or with a member worked out, is a path of one."""
    for node in expressions(template):
        yield from _chains(node)


def _chains(node: Node) -> Iterator[tuple[str, ...]]:
    chain = _chain(node)
    if chain:
        yield chain
        return
    for child in grammar.children(node):
        yield from _chains(child)


def _chain(node: Node) -> tuple[str, ...]:
    match node:
        case ContextValue():
            return (str(node.token.value),)
        case BinOp() if node.token.kind == ".":
            above = _chain(node.left)
            return (*above, grammar.member(node)) if above else ()
        case ValueAccess() if not node.isInterval and is_text(node.left):
            above = _chain(node.arr)
            return (*above, grammar.unquoted(node.left.token.value)) if above else ()
    return ()


def is_text(node: Node) -> bool:
    """Is it a text literal?"""
    return node is not None and type(node) is grammar.Plain and node.token.kind == "string"
