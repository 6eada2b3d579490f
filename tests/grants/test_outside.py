"""What a call's grants do not give is kept, and what is kept is bounded."""

from __future__ import annotations

from gateway.core.cover import cover
from gateway.grants.outside import MOST, Outside
from gateway.values import replace
from tests.grants.given import call, grant


def test_what_is_kept_of_kinds_of_calls_is_bounded() -> None:
    one = call("a")
    under = cover(one.resolved.request.identity, (grant("a", destinations=("*",)),))
    outside = Outside()
    for number in range(MOST + 10):
        assert outside.call(under, replace(one, destination=f"h{number}.example")) == ""
    assert len(outside._told) <= MOST
