"""The number of the next lease is named while no other process takes any, and not otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.journals.foreseen import DISTURBED, Foreseen


def given(foreseen: Foreseen, epochs: Sequence[int], rows: int = 1) -> None:
    foreseen.asked()
    foreseen.given(epochs, rows)


def undisturbed(at: int = 7) -> Foreseen:
    foreseen = Foreseen()
    given(foreseen, [at])
    given(foreseen, [at + 1])
    return foreseen


def test_it_takes_two_leases_in_a_row_to_know() -> None:
    foreseen = Foreseen()
    known = [foreseen.sure]
    for epoch in (7, 8):
        given(foreseen, [epoch])
        known.append(foreseen.sure)
    assert known == [False, False, True]
    assert [foreseen.take(), foreseen.take()] == [9, 10]


def test_shares_have_numbers_too() -> None:
    foreseen = undisturbed()
    given(foreseen, [9, 10], rows=5)
    assert (foreseen.sure, foreseen.take()) == (True, 14)


def test_nothing_is_foreseen_behind_a_lease_that_has_no_number_yet() -> None:
    foreseen = undisturbed()
    foreseen.asked()
    meanwhile = foreseen.sure
    foreseen.given([9], 1)
    assert (meanwhile, foreseen.sure, foreseen.take()) == (False, True, 10)


def test_numbers_that_were_passed_over_may_still_be_given() -> None:
    foreseen = undisturbed()
    taken = [foreseen.take(), foreseen.take()]
    given(foreseen, [9])
    assert (taken, foreseen.sure, foreseen.take()) == ([9, 10], True, 11)


def test_after_somebody_elses_lease_two_in_a_row_are_waited_for() -> None:
    foreseen = undisturbed()
    given(foreseen, [12])
    between = foreseen.sure
    given(foreseen, [13])
    assert (between, foreseen.sure, foreseen.take()) == (False, True, 14)


def test_where_none_was_given_nothing_is_known() -> None:
    foreseen = undisturbed()
    given(foreseen, [])
    assert not foreseen.sure


def test_after_a_wrong_number_many_are_waited_for() -> None:
    foreseen = undisturbed()
    foreseen.wrong()
    for epoch in range(9, 9 + DISTURBED):
        given(foreseen, [epoch])
    almost = foreseen.sure
    given(foreseen, [9 + DISTURBED])
    assert (almost, foreseen.sure) == (False, True)
