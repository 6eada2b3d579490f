from __future__ import annotations

from typing import Any

import pytest

from gateway.core.describe import trace_of

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
