"""The states of parked calls: sealed, ours alone, readable by whoever has the key."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.request_state import AESGCMRequestStateCodec

from gateway.wire.servers.seal import MARK, Claim, Seal, is_ours, request
from tests.wire.servers.asking_server import call

KEY = "k" * 64
CLAIM = Claim("gw", "id", "owner", "request", 12.5)


def test_a_state_says_what_it_was_made_of_to_who_has_the_key() -> None:
    assert Seal(KEY).claim(Seal(KEY).state(CLAIM)) == CLAIM


def test_one_state_never_looks_like_another() -> None:
    seal = Seal(KEY)
    assert seal.state(CLAIM) != seal.state(CLAIM)


def test_two_processes_are_told_apart() -> None:
    assert Seal(KEY).gateway != Seal(KEY).gateway


def test_a_state_tells_its_bearer_nothing() -> None:
    assert "owner" not in Seal(KEY).state(CLAIM)


@settings(max_examples=50)
@given(st.integers(min_value=len(MARK), max_value=10_000), st.characters(codec="ascii"))
def test_any_other_character_anywhere_makes_it_nobodys(at: int, char: str) -> None:
    state = Seal(KEY).state(CLAIM)
    at = len(MARK) + (at - len(MARK)) % (len(state) - len(MARK))
    changed = state[:at] + char + state[at + 1 :]
    if changed == state:
        return
    with pytest.raises(ValueError, match=r"not a state|malformed|seal"):
        Seal(KEY).claim(changed)


@pytest.mark.parametrize("state", ["", MARK, MARK + "v1.", MARK + "v1.x" * 2000, "v1.abc"])
def test_what_is_no_state_is_refused(state: str) -> None:
    with pytest.raises(ValueError, match=r"not a state|malformed|seal"):
        Seal(KEY).claim(state)


def test_a_state_of_an_sdk_server_with_the_same_key_is_not_taken_for_ours() -> None:
    theirs = AESGCMRequestStateCodec([KEY]).seal(b'{"v":1}')
    assert not is_ours(theirs)


def test_a_request_is_known_by_its_server_method_and_params_but_not_by_its_answers() -> None:
    one = request("git", call())
    assert one == request("git", call(inputResponses={"a": 1}, requestState="s", _meta={"x": 1}))
    assert one != request("fs", call())
    assert one != request("git", call(acme=1))
    assert one != request("git", call(arguments={"x": [1]}))
