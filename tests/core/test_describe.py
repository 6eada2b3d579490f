from __future__ import annotations

from typing import Any

import pytest

from gateway.core.describe import trace_of, with_others
from gateway.core.model import Decision, Obligation, Shadow
from gateway.errors import Where
from gateway.reasons import Reason
from gateway.values import replace
from tests.journals.calls import PLAIN

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("meta", "trace"),
    [
        ({"traceparent": TRACE}, TRACE),
        ({"traceparent": TRACE + "\n"}, ""),
        ({"traceparent": TRACE.upper()}, ""),
        ({"traceparent": "01" + TRACE[2:]}, ""),
        ({"traceparent": 7}, ""),
        ({}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_only_a_trace_context_that_can_be_read_is_written_down(meta: Any, trace: str) -> None:
    assert trace_of({}) == ""
    assert trace_of({"_meta": meta}) == trace


def test_the_rules_beside_the_deciding_one_are_written_and_what_a_duty_asks_for() -> None:
    here = Where("policies/policy.csv", 1)
    decision = Decision(
        True,
        Reason.ALLOWED_BY_RULE,
        obligations=(Obligation("approve", "O1", here), Obligation("hold", "O2", here, 60)),
        shadows=(Shadow("W1", here),),
    )
    entry = with_others(PLAIN, decision)
    assert (entry.duties, entry.shadows) == ("O1=approve O2=hold:60", "W1")
    assert replace(entry, duties="", shadows="") == PLAIN
