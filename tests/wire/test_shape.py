"""Result shapes between the eras: what is added, what is taken, and that nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Era, JsonObject, RpcError
from gateway.wire.shape import CACHEABLE, error_for, for_sessions, result_for

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
OWN = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name not in ("resultType", "ttlMs", "cacheScope")),
    VALUES,
    max_size=4,
)


@given(OWN, st.sampled_from([*sorted(CACHEABLE), "tools/call", "vendor/x"]))
def test_up_and_down_again_is_where_we_started(result: JsonObject, method: str) -> None:
    kept = dict(result)
    up = result_for(Era.STATELESS, method, result)
    assert up["resultType"] == "complete"
    assert (up.get("ttlMs"), up.get("cacheScope")) == (
        (0, "private") if method in CACHEABLE else (None, None)
    )
    assert for_sessions(up) == result == kept


def test_a_session_is_not_told_with_every_result_whose_it_is() -> None:
    told = {"io.modelcontextprotocol/serverInfo": {"name": "s", "icons": ["x" * 8_000]}}
    said = {"resultType": "complete", "tools": [], "_meta": {**told, "own": 1}}
    assert for_sessions(said) == {"tools": [], "_meta": {"own": 1}}
    assert for_sessions({"resultType": "complete", "_meta": told}) == {}
    assert for_sessions({"_meta": told}) == {"_meta": told}
    assert result_for(Era.STATELESS, "tools/call", said) is said


def test_what_a_server_says_itself_is_kept() -> None:
    said = {"resultType": "complete", "ttlMs": 9, "cacheScope": "public", "tools": []}
    assert result_for(Era.STATELESS, "tools/list", said) is said


@pytest.mark.parametrize("kind", ["input_required", "task", "vendor"])
def test_a_result_that_is_not_complete_is_left_whole(kind: str) -> None:
    result = {"resultType": kind, "ttlMs": 1, "requestState": "s"}
    assert result_for(Era.STATELESS, "resources/read", result) is result
    assert for_sessions(result) is result


def test_members_of_an_older_servers_result_are_its_own() -> None:
    result = {"ttlMs": 1, "cacheScope": "mine"}
    assert for_sessions(result) is result
    assert result_for(Era.SESSIONS, "tools/call", result) is result


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RpcError(-32002, "no"), RpcError(-32602, "no", {"uri": "a:b"}, True)),
        (RpcError(-32002, "no", [1], True), RpcError(-32602, "no", [1], True)),
        (RpcError(-32603, "no"), RpcError(-32603, "no")),
    ],
)
def test_resource_not_found_has_another_code_in_the_stateless_era(
    error: RpcError, expected: RpcError
) -> None:
    assert error_for(Era.STATELESS, "resources/read", {"uri": "a:b"}, error) == expected
    assert error_for(Era.SESSIONS, "resources/read", {"uri": "a:b"}, error) is error
    assert error_for(Era.STATELESS, "tools/call", {"uri": "a:b"}, error) is error
