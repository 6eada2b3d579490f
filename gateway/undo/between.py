"""Half way through an inverse of several steps: has somebody else written meanwhile? Pure.

Between two steps the world is neither as the call left it nor as it was before, but every part of it is as in one
of these two images, or is gone for the moment. Anything else was written by somebody else, and the next step
would overwrite it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from gateway.core.reverse import Image
from gateway.undo.alike import same
from gateway.undo.lists import unordered


def nothing_new(known: Sequence[Image], world: Image) -> bool:
    """Does every part of `world` stand in one of the known images at the same place, or is not there?

    Lists are taken as bags, at every depth: their order is what steps of several calls may change."""
    for name, found in world.items():
        there = [image[name] for image in known if name in image]
        if not there:
            return False
        if found.kind == "absent":
            continue
        values = [each.value for each in there if each.kind == found.kind]
        if not _within(values, found.value):
            return False
    return True


def _within(known: Sequence[Any], value: Any) -> bool:
    if any(same(each, value) for each in known):
        return True
    if isinstance(value, dict):
        members = [each for each in known if isinstance(each, dict)]
        return all(
            _within([each[name] for each in members if name in each], one)
            for name, one in value.items()
        )
    if isinstance(value, list):
        bags = [_bag(each) for each in known if isinstance(each, list)]
        most = {item: max(bag[item] for bag in bags) for item in _bag(value)} if bags else {}
        return all(count <= most.get(item, 0) for item, count in _bag(value).items())
    return False


def _bag(items: Sequence[Any]) -> Counter[str]:
    return Counter(map(unordered, items))
