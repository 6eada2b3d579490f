"""Which calls of a plan wait for which: whatever order that leaves open, the world comes out as one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.record import State
from gateway.core.reverse import Lease, Level, Recorded, Reversal, meet, overlaps
from gateway.undo.order import any_room, behind, lots, room
from gateway.undo.scope import Scope, TemplateFailed
from tests.journals.calls import call_record

LEAVES = ("x:/a/b", "x:/a/c", "x:/d", "server:/s")
ROOM = st.lists(st.sampled_from((*LEAVES, "x:/a")), min_size=1, max_size=2, unique=True)
ROOMS = st.lists(ROOM | st.just([]), max_size=9)


def recorded(
    name: str, keys: Sequence[str] = (), server: str = "s", target: str = "put"
) -> Recorded:
    leases = tuple(Lease(key, 1) for key in keys)
    return Recorded(
        call_record(name, effect="write", server=server, target=target),
        State.APPLIED,
        {},
        {},
        Reversal(Level.EXACT, leases=leases),
        None,
        1,
        1,
        2,
    )


def in_order(rooms: Sequence[Sequence[str]]) -> tuple[tuple[int, ...], ...]:
    return behind([recorded(f"c{number}") for number, _ in enumerate(rooms)], rooms)


def exclude(one: Sequence[str], other: Sequence[str]) -> bool:
    """Could agents not have made these two side by side?"""
    return not one or not other or meet(one, other) or "server:/s" in (*one, *other)


def closed(waits: Sequence[Sequence[int]]) -> list[set[int]]:
    """All that each waits for, with what these wait for."""
    every = list[set[int]]()
    for direct in waits:
        every.append(set(direct).union(*(every[each] for each in direct)))
    return every


@given(ROOMS)
def test_calls_wait_for_all_that_exclude_them_and_for_nobody_else(rooms: list[list[str]]) -> None:
    excluding = [
        [before for before in range(number) if exclude(rooms[before], alone)]
        for number, alone in enumerate(rooms)
    ]
    assert closed(in_order(rooms)) == closed(excluding)


def after(rooms: Sequence[Sequence[str]], order: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The world when these were undone one after the other: of each leaf who wrote it, and when."""
    world = dict[str, tuple[int, ...]]()
    for number in order:
        alone = rooms[number] or LEAVES
        for leaf in LEAVES:
            if any(overlaps(leaf, each) for each in alone):
                world[leaf] = (*world.get(leaf, ()), number)
    return world


@given(ROOMS, st.randoms(use_true_random=False))
def test_whatever_goes_first_the_world_is_as_in_the_order_of_the_plan(
    rooms: list[list[str]], rng: Random
) -> None:
    waits, done = in_order(rooms), list[int]()
    while len(done) < len(rooms):
        may = [n for n in range(len(rooms)) if n not in done and set(waits[n]) <= set(done)]
        done.append(rng.choice(may))
    assert after(rooms, done) == after(rooms, range(len(rooms)))


def test_thousands_that_wrote_one_resource_wait_for_one_each() -> None:
    waits = in_order([["x:/a"]] * 2_000)
    assert waits == ((), *((number,) for number in range(1_999)))


class Pack:
    """What an undo pack says of one tool."""

    def __init__(self, *early: str) -> None:
        self._early = early

    def early_keys(self, scope: Scope) -> tuple[str, ...]:
        if not self._early:
            raise TemplateFailed("nobody knows")
        return self._early


def test_a_call_has_what_it_held_to_itself_and_not_only_what_it_wrote() -> None:
    """A graph whose server loses one of two writes that arrive at the same time: its pack leases all of it."""
    call = recorded("c", ["memory:/graph/entity/a"])
    assert room(call, Pack("memory:/graph"), Scope({}, {})) == ("memory:/graph",)  # type: ignore[arg-type]


def test_what_a_pack_made_since_does_not_cover_stays_its_own() -> None:
    call = recorded("c", ["x:/a/b", "x:/d"])
    assert room(call, Pack("x:/a"), Scope({}, {})) == ("x:/a", "x:/d")  # type: ignore[arg-type]


def test_where_no_pack_says_it_a_call_has_its_server_to_itself() -> None:
    call = recorded("c", ["x:/a"])
    assert room(call, Pack(), Scope({}, {})) == any_room(call) == ("x:/a", "server:/s")  # type: ignore[arg-type]
    assert any_room(recorded("held")) == ()


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=9),
    st.dictionaries(st.sampled_from("xyz"), st.frozensets(st.sampled_from("xyz")), min_size=1),
)
def test_a_call_is_undone_before_a_later_one_only_where_that_was_tried(
    made: list[tuple[str, str]], proven: dict[str, frozenset[str]]
) -> None:
    calls = [
        recorded(f"c{n}", server=server, target=target) for n, (server, target) in enumerate(made)
    ]
    may = [proven.get(target, frozenset()) for _, target in made]
    parts = lots(calls, may)
    assert [number for part in parts for number in part] == list(range(len(calls)))
    for part in parts:
        for later, earlier in combinations(part, 2):
            assert made[later][0] == made[earlier][0]
            assert made[later][1] in may[earlier]


def test_what_sends_nothing_parts_nothing() -> None:
    calls = [recorded(f"c{n}", server=server, target="x") for n, server in enumerate("aba")]
    tried = frozenset("x")
    assert lots(calls, [tried, None, tried]) == [range(3)]
    assert lots(calls, [tried, tried, tried]) == [range(1), range(1, 2), range(2, 3)]
    assert lots([], []) == [range(0)]
