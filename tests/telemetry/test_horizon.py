from __future__ import annotations

from gateway.telemetry.horizon import Horizon
from gateway.values import replace
from tests.journals.calls import intent, outcome
from tests.telemetry.test_facts import folded

[DONE] = folded(intent("a", effect="write"), outcome("a"))


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


def test_exposure_is_what_changed_something_and_can_or_cannot_be_undone() -> None:
    horizon = Horizon()
    for until, level, state, effect in (
        (9_000_000, "exact", "applied", "write"),
        (4_000_000, "compensable", "applied", "write"),
        (None, "exact", "applied", "write"),
        (None, "none", "applied", "destroy"),
        (None, "unknown", "applied", "write"),
        (None, "noop", "applied", "write"),
        (None, "", "applied", "read"),
        (None, "none", "failed", "write"),
    ):
        horizon.note(replace(DONE, undo_until=until, level=level, state=state, effect=effect))
    assert (horizon.undoable(0), horizon.irreversible) == (3, 2)
    assert (horizon.undoable(5_000_000), horizon.irreversible) == (2, 3)
