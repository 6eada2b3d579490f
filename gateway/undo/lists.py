"""The list functions of packs: items compared as JSON, their order and number kept. Pure.

Each raises `ValueError` or `TypeError` for what it was not made for.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.undo.alike import same


def concat(*lists: list[Any]) -> list[Any]:
    return [item for each in lists for item in each]


def unique(items: list[Any]) -> list[Any]:
    return list({canonical(item): item for item in reversed(items)}.values())[::-1]


def without(items: list[Any], gone: list[Any]) -> list[Any]:
    out = {canonical(item) for item in gone}
    return [item for item in items if canonical(item) not in out]


def only(items: list[Any], kept: list[Any]) -> list[Any]:
    those = {canonical(item) for item in kept}
    return [item for item in items if canonical(item) in those]


def where(items: list[Any], member: str, value: Any) -> list[Any]:
    """The items whose member is that value; every item has it."""
    return [item for item in items if same(_of(item, member), value)]


def where_in(items: list[Any], members: list[Any], values: list[Any]) -> list[Any]:
    """The items of which at least one of these members is among the values."""
    those = {canonical(value) for value in values}
    return [i for i in items if any(canonical(_of(i, m)) in those for m in members)]


def pluck(items: list[Any], member: str) -> list[Any]:
    return [_of(item, member) for item in items]


def _of(item: Any, member: Any) -> Any:
    if not isinstance(item, dict) or member not in item:
        raise ValueError("an item lacks the member")
    return item[member]


def after(items: list[Any], mark: str) -> list[str]:
    """What follows the first mark in each text."""
    return [item[item.index(mark) + len(mark) :] for item in items]


def same_set(a: Any, b: Any) -> bool:
    return unordered(a) == unordered(b)


def unordered(value: Any) -> str:
    """The value as text in which the order of lists, at every depth, does not count; how often does."""
    match value:
        case list():
            return "[" + ",".join(sorted(map(unordered, value))) + "]"
        case dict():
            pairs = sorted((json.dumps(str(key)), unordered(each)) for key, each in value.items())
            return "{" + ",".join(f"{key}:{each}" for key, each in pairs) + "}"
    return canonical(value)


def canonical(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("not JSON") from None


def first(items: list[Any]) -> Any:
    if not items:
        raise ValueError("an empty list")
    return items[0]
