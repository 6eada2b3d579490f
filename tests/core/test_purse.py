"""A purse gives what is there and no more, and the same calls always leave the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.purse import SET_BACK, Before, Purse

NOON = 1_795_000_000_000_000
SECOND = 1_000_000

limits = st.none() | st.integers(0, 6)
purses = st.builds(
    Purse,
    expires_at=st.sampled_from([0, NOON + 5 * SECOND, NOON + 60 * SECOND]),
    idle=st.none() | st.just(4 * SECOND),
    used_at=st.just(NOON),
    used=st.just(0),
    uses=limits,
    writes=limits,
    size=limits,
    step=st.none() | st.sampled_from([SECOND, 3 * SECOND]),
    burst=st.integers(1, 3),
    due=st.just(NOON),
)
calls = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 9).map(lambda s: NOON + s * SECOND))
)  # fmt: skip


def stand(purse: Purse) -> tuple[object, ...]:
    return tuple(getattr(purse, name) for name in Purse.__slots__)


def copy(purse: Purse) -> Purse:
    again = Purse.__new__(Purse)
    for name in Purse.__slots__:
        setattr(again, name, getattr(purse, name))
    return again


@given(purse=purses, some=calls)
def test_no_budget_ever_goes_below_nothing_and_what_is_refused_takes_nothing(
    purse: Purse, some: list[tuple[int, int, int]]
) -> None:
    given_, taken = purse.left, list[tuple[int, int]]()
    for writes, size, at in some:
        before = stand(purse)
        if isinstance(purse.take(writes, size, at), str):
            assert stand(purse) == before
        else:
            taken.append((writes, size))
    assert purse.used == len(taken)
    gone = len(taken), sum(writes for writes, _ in taken), sum(size for _, size in taken)
    for had, left, took in zip(given_, purse.left, gone, strict=True):
        assert left == (None if had is None else had - took)
        assert left is None or left >= 0


@given(purse=purses, some=calls)
def test_what_was_taken_once_counts_the_same_when_it_is_counted_again(
    purse: Purse, some: list[tuple[int, int, int]]
) -> None:
    """Also after the grant was revoked."""
    again = copy(purse)
    again.end()
    for writes, size, at in some:
        if not isinstance(purse.take(writes, size, at), str):
            again.take(writes, size, at, again=True)
    purse.end()
    assert stand(again) == stand(purse)


@given(purse=purses, some=calls)
def test_what_is_put_back_is_as_it_was(purse: Purse, some: list[tuple[int, int, int]]) -> None:
    begun, undo = stand(purse), list[Before]()
    for writes, size, at in some:
        was = purse.take(writes, size, at)
        undo += [] if isinstance(was, str) else [was]
    undo.append(purse.end())
    for was in reversed(undo):
        purse.put_back(was)
    assert stand(purse) == begun


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"expires_at": 0}, "it was revoked or completed"),
        ({"expires_at": NOON}, "it has expired"),
        ({"idle": SECOND, "used_at": NOON - SECOND}, "it lay idle too long"),
        ({"uses": 0}, "no uses are left"),
        ({"writes": 1}, "no writes are left"),
        ({"bytes": 8}, "not so many bytes are left"),
        ({"step": SECOND, "due": NOON + 1}, "too many calls in a minute"),
        ({"step": SECOND, "due": NOON, "uses": 1, "writes": 2, "bytes": 9, "idle": 1}, ""),
    ],
)
def test_each_limit_says_why(changed: dict[str, int], why: str) -> None:
    purse = Purse(NOON + 1, None, NOON, 0, None, None, None, None, 1, 0)
    for name, value in changed.items():
        setattr(purse, name, value)
    said = purse.take(2, 9, NOON)
    assert (said if isinstance(said, str) else "") == why


def test_a_clock_that_was_ahead_for_a_call_shuts_nobody_out_once_it_is_set_back() -> None:
    purse = Purse(NOON + 9 * SET_BACK, SECOND, NOON, 0, None, None, None, 10 * SECOND, 2, 0)
    ahead = NOON + SECOND // 2 + 5 * SET_BACK
    purse.used_at = ahead
    assert not isinstance(purse.take(1, 0, ahead), str)
    said = [purse.take(1, 0, NOON) for _ in range(3)]
    assert [isinstance(each, str) for each in said] == [False, False, True]
    assert purse.used_at == NOON


def test_a_call_whose_time_was_taken_before_anothers_gets_no_more_than_the_rate() -> None:
    purse = Purse(NOON + SET_BACK, None, NOON, 0, None, None, None, 10 * SECOND, 2, 0)
    said = [purse.take(1, 0, NOON - place) for place in (0, 0, 1, 2)]
    assert [isinstance(each, str) for each in said] == [False, False, True, True]
    assert purse.used_at == NOON
