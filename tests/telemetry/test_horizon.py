from __future__ import annotations

from dataclasses import replace

from gateway.telemetry.horizon import Horizon
from tests.journals.calls import intent, outcome
from tests.telemetry.test_facts import folded

[DONE] = folded(intent("a"), outcome("a"))


def test_the_horizon_is_the_soonest_deadline_of_what_can_be_undone() -> None:
    horizon = Horizon()
    assert horizon.seconds(0) is None
    for until, level, state in (
        (9_000_000, "exact", "applied"),
        (4_000_000, "compensable", "applied"),
        (1_000_000, "none", "applied"),
        (2_000_000, "exact", "failed"),
        (None, "exact", "applied"),
    ):
        horizon.note(replace(DONE, undo_until=until, level=level, state=state))
    assert horizon.seconds(1_000_000) == 3.0
    assert horizon.seconds(4_000_000) == 5.0
    assert horizon.seconds(9_000_000) is None
