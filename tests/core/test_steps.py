from __future__ import annotations

import inspect
import re

from gateway import pep
from gateway.core.steps import STEPS
from gateway.reasons import Reason
from tests.house.source import ROOT

PAGE = (ROOT / "docs/explanation/the-line.md").read_text()
NEVER_ON_RECORD = {Reason.ALLOWED_BY_RULE, Reason.NOT_AVAILABLE}


def test_every_reason_on_record_has_its_step_and_a_place_to_look() -> None:
    assert set(Reason) - set(STEPS) == NEVER_ON_RECORD
    assert [reason for reason, step in STEPS.items() if not step.look] == []


def test_steps_are_those_of_the_page_about_the_line() -> None:
    told = [(int(number), name) for number, name in re.findall(r"^ +(\d+) +(\w+)", PAGE, re.M)]
    assert [number for number, _ in told] == [*range(1, 16)]
    ours = {(step.number, step.name) for step in STEPS.values()}
    assert ours - {(9, "approve")} <= set(told)


def test_the_line_takes_its_steps_in_their_order() -> None:
    for method in (pep.Line._go, pep.Line.decided, pep.Line._ask):
        steps = [int(step) for step in re.findall(r"# (\d+)", inspect.getsource(method))]
        assert steps and steps == sorted(steps), method
