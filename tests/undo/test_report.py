"""The exit status says the gravest thing, and nothing that is left is called complete."""

from __future__ import annotations

from typing import get_args

import pytest

from gateway.core.reverse import Verdict
from gateway.undo.report import EXIT, MEANING, Report
from gateway.undo.thread import Found
from gateway.values import replace

EVERY: tuple[Verdict, ...] = get_args(Verdict)


def report(*verdicts: Verdict, stopped: str = "") -> Report:
    return Report("u", {str(n): Found(verdict) for n, verdict in enumerate(verdicts)}, stopped)


def test_every_verdict_has_an_exit_status_and_a_meaning() -> None:
    assert set(EXIT) == set(MEANING) == set(EVERY)


@pytest.mark.parametrize("grave", EVERY)
def test_the_gravest_verdict_wins(grave: Verdict) -> None:
    assert report("restored", grave, "already").exit_status == EXIT[grave]


def test_complete_means_that_all_is_as_it_was() -> None:
    assert report("restored", "already", "no_effect").summary == "complete"
    assert report("restored", "compensated").summary == "complete_with_residue"
    for left in EVERY:
        if EXIT[left] > 3:
            assert report("restored", left).summary == "partial"


def test_what_was_stopped_is_never_complete() -> None:
    assert report("already", stopped="conflicts").exit_status == 4
    assert report("already", stopped="conflicts").summary == "partial"


def test_what_nobody_can_tell_of_is_never_complete() -> None:
    assert replace(report("restored"), untold=("c",)).exit_status == 3
    assert replace(report("restored"), untold=("c",)).summary == "complete_with_residue"
    assert replace(report("restored", "conflict"), untold=("c",)).exit_status == 4
