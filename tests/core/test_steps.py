from __future__ import annotations

from gateway.core.steps import STEPS
from gateway.reasons import Reason

NEVER_ON_RECORD = {Reason.ALLOWED_BY_RULE, Reason.NOT_AVAILABLE}


def test_every_reason_on_record_has_its_step_and_a_place_to_look() -> None:
    assert set(Reason) - set(STEPS) == NEVER_ON_RECORD
    assert [reason for reason, step in STEPS.items() if not step.look] == []


def test_steps_are_those_of_the_line() -> None:
    assert {step.number for step in STEPS.values()} <= set(range(1, 16))
    names: dict[int, set[str]] = {}
    for step in STEPS.values():
        names.setdefault(step.number, set()).add(step.name)
    assert [number for number, some in names.items() if len(some) > 1] == [9]  # reverse, approve
