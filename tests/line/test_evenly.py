"""What an answer's moment depends on."""

from __future__ import annotations

import anyio
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from gateway.line.evenly import PERIOD, Evenly, due

moments = st.floats(0, 1e6)


@given(moments, st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.integers(0, 50))
def test_how_long_the_work_took_within_a_period_does_not_show(
    since: float, one: float, other: float, whole: int
) -> None:
    leaves = [due(since, since + PERIOD * (whole + part)) for part in (one, other)]
    assert leaves[0] == approx(leaves[1], abs=1e-9)


@given(moments, st.floats(0, 10))
def test_it_is_always_to_come_and_at_most_a_period_away(since: float, took: float) -> None:
    now = since + took
    assert now < due(since, now) + 1e-9 <= now + PERIOD + 2e-9


async def test_it_waits_until_then() -> None:
    evenly = Evenly()
    began = evenly.now()
    with anyio.fail_after(20):
        await evenly.even(began)
    assert evenly.now() >= began + PERIOD - 0.001
