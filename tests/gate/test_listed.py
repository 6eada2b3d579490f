"""A list that was made before is given again only while all it was made of is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.core.fence import Fence
from gateway.core.model import Answer, Endpoint, Entry, Request, Tier, WorkloadIdentity
from gateway.core.resolve import Table
from gateway.gate.listed import MOST, Lists
from gateway.line.bounds import Bounds
from gateway.values import replace
from tests.catalogue.offering import asks, at
from tests.free import NoFences, NoGrants

ASKED = asks("tools/list", {})


class Fences(NoFences):
    def __init__(self) -> None:
        self.set: tuple[Fence, ...] = ()

    def standing(self) -> tuple[Fence, ...]:
        return self.set


class Grants(NoGrants):
    def __init__(self) -> None:
        self.chains: Any = ()

    def in_force(self, identity: WorkloadIdentity) -> Any:
        return self.chains


class World:
    """Everything a list is made of, each to be changed by itself; remembers how often one was made."""

    def __init__(self) -> None:
        self.made = 0
        self.fences, self.grants = Fences(), Grants()
        self.current: Any = None
        self.table = Table("1", None, {})  # type: ignore[arg-type]
        self.fails = False
        world = self

        class Catalogue:
            @property
            def current(self) -> Table:
                return world.table

        self.lists = Lists(self, Catalogue(), self, Bounds(self.grants, self.fences))  # type: ignore[arg-type]

    def list(self, request: Request, visible: Callable[[Entry], bool]) -> Answer:
        self.made += 1
        if self.fails:
            return Answer(error=None, http_status=400)
        return Answer({"tools": [self.made]})

    def about(self, endpoint: Endpoint) -> None:
        return None


def test_who_asks_again_gets_the_very_same_list() -> None:
    world = World()
    first, again = world.lists.answer(ASKED), world.lists.answer(replace(ASKED, id=2))
    assert again.result is first.result
    assert first.lasting


CHANGES: dict[str, Callable[[World], None]] = {
    "a fence": lambda world: setattr(
        world.fences, "set", (Fence("agent", "agent:a", "operator:o", "why", 1),)
    ),
    "a grant": lambda world: setattr(world.grants, "chains", (("g1",),)),
    "the policy": lambda world: setattr(world, "current", object()),
    "the catalogue": lambda world: setattr(world, "table", Table("1", None, {})),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("change", CHANGES)
def test_when_something_has_changed_it_is_made_anew(change: str) -> None:
    world = World()
    world.lists.answer(ASKED)
    CHANGES[change](world)
    assert world.lists.answer(ASKED).result == {"tools": [2]}
    assert world.lists.answer(ASKED).result == {"tools": [2]}


OTHERS = [
    replace(ASKED, endpoint=at("one")),
    replace(ASKED, method="prompts/list"),
    *(replace(ASKED, params={"cursor": cursor}) for cursor in ("", "1", 1, True, None, [1])),
    *(
        replace(ASKED, identity=replace(ASKED.identity, **{member: "other"}))  # type: ignore[arg-type]
        for member in ("issuer", "agent", "tenant", "task", "intent", "grant", "on_behalf_of")
    ),
    replace(ASKED, identity=replace(ASKED.identity, tiers=frozenset({Tier.TOOL}))),
]


def test_nobody_gets_the_list_of_another_question() -> None:
    world = World()
    results = [str(world.lists.answer(asked).result) for asked in (ASKED, *OTHERS)]
    assert len(set(results)) == len(OTHERS) + 1


def test_an_error_is_told_anew_each_time() -> None:
    world = World()
    world.fails = True
    assert not world.lists.answer(ASKED).lasting
    world.lists.answer(ASKED)
    assert world.made == 2


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    world = World()
    for number in range(MOST + 1):
        world.lists.answer(replace(ASKED, params={"cursor": str(number)}))
    world.lists.answer(replace(ASKED, params={"cursor": str(MOST)}))
    assert world.made == MOST + 1
    world.lists.answer(replace(ASKED, params={"cursor": "0"}))
    assert world.made == MOST + 2
