"""Who is silent for long shows life, once; who was let go does not; and nothing ticks where nobody waits."""

from __future__ import annotations

from gateway.wire.agents.quiet import LOOKS, Quiet


class Sign:
    """Counts its signs of life, and may want to be watched on."""

    def __init__(self, quiet: Quiet | None = None) -> None:
        self.shown = 0
        self._quiet = quiet

    def show_life(self) -> None:
        self.shown += 1
        if self._quiet is not None:
            self._quiet.watch(self, 60.0)


def looks(quiet: Quiet, times: int) -> None:
    for _ in range(times):
        quiet._look()


async def test_life_is_shown_after_the_silence_that_may_be_and_not_twice() -> None:
    quiet, sign = Quiet(60.0), Sign()
    looks(quiet, 3)
    quiet.watch(sign, 60.0)
    looks(quiet, LOOKS)
    assert sign.shown == 0
    looks(quiet, 1)
    assert sign.shown == 1
    looks(quiet, 10 * LOOKS)
    assert sign.shown == 1


async def test_who_waits_longer_is_shown_later() -> None:
    quiet, soon, late = Quiet(60.0), Sign(), Sign()
    quiet.watch(late, 120.0)
    quiet.watch(soon, 60.0)
    looks(quiet, LOOKS + 1)
    assert (soon.shown, late.shown) == (1, 0)
    looks(quiet, LOOKS)
    assert late.shown == 1


async def test_who_is_let_go_shows_nothing() -> None:
    quiet, sign = Quiet(60.0), Sign()
    quiet.watch(sign, 60.0)
    quiet.let_go(sign)
    quiet.let_go(sign)
    looks(quiet, 10 * LOOKS)
    assert sign.shown == 0


async def test_the_timer_runs_while_somebody_waits_and_no_longer() -> None:
    quiet = Quiet(60.0)
    again = Sign(quiet)
    quiet.watch(again, 60.0)
    first = quiet._timer
    assert first is not None
    quiet.watch(Sign(), 60.0)
    assert quiet._timer is first
    looks(quiet, LOOKS + 1)
    assert again.shown == 1 and quiet._timer is not None
    quiet.let_go(again)
    looks(quiet, 1)
    assert quiet._timer is None
