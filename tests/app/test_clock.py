"""A name nobody had before, and that nobody can guess; and a time that is never earlier than it was."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from gateway.app.clock import SETTLING, Onwards, new_call_id
from tests.forked import said_by_a_fork


def test_a_name_is_sixteen_characters_a_person_can_read_out() -> None:
    assert re.fullmatch("[a-z2-7]{16}", new_call_id())


def test_no_name_comes_twice_and_their_own_parts_are_all_different() -> None:
    names = [new_call_id() for _ in range(5_000)]
    assert len({name[3:] for name in names}) == len(names)


def test_names_that_follow_each_other_begin_alike() -> None:
    """Or a journal's index of them would be written to in another place for each call."""
    beginnings = [new_call_id()[:3] for _ in range(5_000)]
    changes = sum(one != next_ for one, next_ in pairwise(beginnings))
    assert 8 <= changes <= 10


def test_a_forked_process_gives_none_of_its_parents_names() -> None:
    new_call_id()
    text = said_by_a_fork(lambda: "".join(new_call_id() for _ in range(100)).encode()).decode()
    theirs = {text[at : at + 16] for at in range(0, len(text), 16)}
    assert len(theirs) == 100
    assert theirs.isdisjoint(new_call_id() for _ in range(600))


SECOND = 10**9
HOUR = 3_600 * SECOND
NOON = 1_800_000_000 * SECOND


class Machine:
    """A clock that anybody may set, and one that nobody can."""

    def __init__(self) -> None:
        self.wall, self.steady = NOON, 77 * HOUR
        onwards = Onwards(lambda: self.wall, lambda: self.steady)
        self.clock, self.seconds = onwards.microseconds, onwards.seconds

    def passes(self, nanoseconds: int, slowed_by: float = 0.0) -> None:
        self.steady += nanoseconds
        self.wall += int(nanoseconds * (1 - slowed_by))

    @property
    def now(self) -> float:
        """Seconds since noon, as the gateway believes."""
        microseconds = self.clock()
        assert self.seconds() == microseconds // 1_000_000
        return microseconds / 1e6 - NOON / 1e9


@pytest.fixture
def machine() -> Machine:
    """One that has run long enough to know what time it is."""
    made = Machine()
    made.wall -= SETTLING
    made.clock()
    made.passes(SETTLING)
    assert made.now == 0
    return made


def test_a_clock_that_is_set_back_is_not_followed_and_time_goes_on(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.wall -= HOUR
    assert machine.now == pytest.approx(0)
    for _ in range(60):
        machine.passes(60 * SECOND)
        machine.clock()
    assert machine.now == pytest.approx(3_600, rel=0.002)
    assert "set back by 3600 s" in caplog.text
    assert caplog.text.count("set back") == 7  # now, and every ten minutes


def test_it_is_believed_again_once_it_has_caught_up(machine: Machine) -> None:
    machine.wall -= HOUR
    machine.clock()
    machine.passes(10 * SECOND)
    machine.wall += HOUR
    assert machine.now == pytest.approx(10)
    machine.passes(10 * SECOND)
    assert machine.now == pytest.approx(20)


def test_a_clock_that_is_set_back_while_nobody_looked_is_found_out(machine: Machine) -> None:
    machine.passes(2 * HOUR)
    machine.wall -= HOUR
    assert machine.now == pytest.approx(7_200, rel=0.002)


def test_a_clock_that_is_set_forward_or_slowed_is_followed(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.wall += HOUR
    assert machine.now == 3_600
    machine.passes(HOUR, slowed_by=0.0005)
    assert machine.now == pytest.approx(machine.wall / 1e9 - NOON / 1e9)
    assert caplog.text == ""


def test_what_a_machine_finds_out_soon_after_its_start_is_followed() -> None:
    """Its hardware clock may be hours ahead, and the gateway is up before the network is."""
    machine = Machine()
    machine.passes(SETTLING - SECOND)
    machine.wall -= HOUR
    assert machine.now == pytest.approx(SETTLING / SECOND - 1 - 3_600)


def test_a_sleep_of_the_machine_is_no_fault(machine: Machine) -> None:
    """In which the clock that nobody can set stands still."""
    machine.wall += 8 * HOUR
    assert machine.now == 8 * 3_600
    machine.passes(SECOND)
    assert machine.now == 8 * 3_600 + 1


def test_less_than_a_second_is_not_looked_into_each_time(machine: Machine) -> None:
    """And no more than that is lost, whenever it was looked at last."""
    machine.passes(2 * HOUR)
    machine.wall = NOON + SECOND // 2
    assert machine.now == pytest.approx(0.5)
    machine.passes(SECOND)
    assert machine.now == pytest.approx(7_201, rel=0.002)
