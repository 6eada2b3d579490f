"""A result on its way through: what goes on is what came, and what is held back says how it ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire.json_walk import Malformed
from gateway.wire.servers.sift import MAX_HELD, Sift

RESULT = {"content": [{"type": "text", "text": "é\n"}], "isError": True, "x-v": {"a": 1}}


def sifted(body: bytes, cut: int = 3) -> tuple[bytes, Any]:
    sift = Sift()
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


def test_of_a_member_given_twice_that_is_held_the_last_counts() -> None:
    _, rest = sifted(b'{"id":1,"result":{"isError":true,"isError":false}}')
    assert rest["result"] == {"isError": False}


def test_what_stands_beside_a_result_is_not_kept_however_large() -> None:
    body = b'{"id":1,"result":{"a":1},"vendor":"%b"}' % (b"v" * MAX_HELD)
    assert sifted(body) == (b'"a":1', {"id": 1, "result": {}})
