"""A result on its way through: what goes on is what came, and what is held back says how it ended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.wire.json_walk import Malformed
from gateway.wire.servers.sift import MAX_HELD, Sift

RESULT = {"content": [{"type": "text", "text": "é\n"}], "isError": True, "x-v": {"a": 1}}


def sifted(body: bytes, cut: int = 3) -> tuple[bytes, Any]:
    sift = Sift(2**20)
    out = b"".join(sift.feed(body[at : at + cut]) for at in range(0, len(body), cut))
    return out, sift.rest()


@pytest.mark.parametrize("cut", [1, 3, 1000])
@pytest.mark.parametrize("indent", [None, 2])
def test_members_go_on_and_the_word_on_how_it_ended_is_held(cut: int, indent: int | None) -> None:
    body = json.dumps({"result": RESULT, "vendor": [1], "id": 7}, indent=indent).encode()
    out, rest = sifted(body, cut)
    passed = {name: value for name, value in RESULT.items() if name != "isError"}
    assert json.loads(b"{" + out + b"}") == passed and b"\n" not in out
    assert rest == {"id": 7, "result": {"isError": True}}


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"code":1,"message":"m"},"id":1}',
        b'{"method":"ping","id":1}',
        b'{"id":1,"result":{"a":1},"result":{"b":2}}',
        b'{"id":1,"result":{"a":1},"error":{}}',
        b'{"id":1,"error":{},"error":null,"result":{"a":1}}',
        b'{"id":1,"result":[1]}',
        b'{"id":1,"result":"text"}',
        b'{"id":1,"result":{"inputRequests":{}}}',
        b'{"id":1,"result":{"a":1}',
        b'{"id":1}',
        b'{"id":1,"result":{"task":"%b"}}' % (b"t" * (MAX_HELD + 1)),
    ],
)
def test_what_is_no_whole_result_is_not_passed_on_as_one(body: bytes) -> None:
    with pytest.raises(Malformed):
        sifted(body, 1000)


@pytest.mark.parametrize("body", [b'{"error":null,%b,"id":1}', b'{"id":1,%b,"error": null }'])
def test_an_error_that_is_null_is_none(body: bytes) -> None:
    out, rest = sifted(body % b'"result":{"a":1}')
    assert out == b'"a":1' and rest == {"id": 1, "result": {}, "error": None}


def test_of_a_member_given_twice_that_is_held_the_last_counts() -> None:
    _, rest = sifted(b'{"id":1,"result":{"isError":true,"isError":false}}')
    assert rest["result"] == {"isError": False}


def test_what_stands_beside_a_result_is_not_kept_however_large() -> None:
    body = b'{"id":1,"result":{"a":1},"vendor":"%b"}' % (b"v" * MAX_HELD)
    assert sifted(body) == (b'"a":1', {"id": 1, "result": {}})


def test_no_more_is_looked_at_than_it_may_have() -> None:
    sift, text = Sift(1_000), b'{"id":1,"result":{"a":"'
    assert sift.feed(text + b"x" * (1_000 - len(text)))
    with pytest.raises(Malformed, match=r"limits\.max_result"):
        sift.feed(b"x")


@pytest.mark.parametrize("name", ["isError", "vendor"])
def test_a_long_text_is_held_back_as_any_other_value(name: str) -> None:
    filling = b"x" * 2_000
    sift = Sift(2**20)
    said = b'{"id":1,"result":{"a":1,"%b":"' % name.encode()
    out = [sift.feed(piece) for piece in (said + filling, filling, filling, b'"}}')]
    held = name == "isError"
    assert b"".join(out) == b'"a":1' + (b"" if held else b',"vendor":"%b"' % (3 * filling))
    assert sift.rest()["result"] == ({"isError": (3 * filling).decode()} if held else {})


ENDS = [
    *(b"", b"\xc3", b"\xa9", b"\xff", b"\x00", b"\r\n", b"\\", b"\\u00", b"e9", b'"'),
    *(b'","b":1,"c":"', b'","isError":true,"d":"'),
]


@given(
    st.lists(st.tuples(*[st.sampled_from(ENDS)] * 2), min_size=1, max_size=5),
    st.sampled_from([b"x", b"\\n", b"\xc3\xa9", b"\\\\", b"\\ud83d"]),
    st.booleans(),
)
@example([(b"", b'","isError":true,"d":"')], b"x", False)
@example([(b"", b"\\u00"), (b"e9", b"")], b"x", False)
@example([(b"", b"\\"), (b"\\", b"")], b"\\n", True)
def test_however_a_long_text_is_cut_all_of_it_is_looked_at(
    ends: list[tuple[bytes, bytes]], filling: bytes, rare: bool
) -> None:
    long = b"x" * 600 * rare + filling * 600
    pieces = [b'{"id":1,"result":{"a":"' + long, *(b + long + e for b, e in ends), b'"}}']
    try:
        result = json.loads(b"".join(pieces).decode())["result"]
    except ValueError:
        result = None
    sift = Sift(2**20)
    try:
        out = b"".join(map(sift.feed, pieces))
        held = sift.rest()["result"]
    except Malformed:
        assert result is None
        return
    assert held == ({"isError": True} if "isError" in result else {})
    assert {**json.loads(b"{" + out + b"}"), **held} == result and b"isError" not in out
