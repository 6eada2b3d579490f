"""Strict JSON as it comes: what is taken and what is not is the same however it is cut."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from importlib.util import find_spec, module_from_spec
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.wire import json_runs, json_walk
from gateway.wire.json_runs import are_items, guessed_ends
from gateway.wire.json_walk import MAX_DEPTH, MAX_TOKEN, Malformed, Walk

JSON = dict[str, Any]


class Noting:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.members: list[tuple[int, str, bytes]] = []
        self.ends: list[int] = []

    def name(self, level: int, name: str, raw: bytes) -> None:
        assert json.loads(raw) == name
        self.members.append((level, name, b""))

    def piece(self, piece: bytes) -> None:
        level, name, so_far = self.members[-1]
        self.members[-1] = (level, name, so_far + piece)

    def end(self, level: int) -> None:
        self.ends.append(level)


def walked(body: bytes, cut: int) -> tuple[bool, list[tuple[int, str, bytes]]]:
    """Whether it is whole and JSON, and what was told of it."""
    noting = Noting()
    walk = Walk(noting, "result")
    try:
        for start in range(0, len(body), cut):
            walk.feed(body[start : start + cut])
            while walk.behind:
                walk.feed(b"")
    except Malformed:
        return False, noting.members
    return walk.complete, noting.members


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
names = st.text(max_size=4) | st.sampled_from(["result", "id"])
values = st.recursive(
    scalars.filter(lambda v: v not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
documents = st.dictionaries(names, values, max_size=4)


@given(documents, st.sampled_from([None, 0, 2]), st.booleans(), st.sampled_from([1, 2, 3, 7, 9999]))
def test_the_members_of_a_document_are_told_whole(
    document: JSON, indent: int | None, ascii: bool, cut: int
) -> None:
    body = json.dumps(document, indent=indent, ensure_ascii=ascii)
    whole, members = walked(body.encode("utf-8", "replace"), cut)
    assert whole
    expected: list[tuple[int, str, Any]] = []
    for name, value in document.items():
        entered = name == "result" and isinstance(value, dict)
        expected.append((1, name, None if entered else value))
        expected += [(2, inner, value[inner]) for inner in value] if entered else []
    told = [(level, name, json.loads(raw) if raw else None) for level, name, raw in members]
    assert [(level, name) for level, name, _ in told] == [(lev, name) for lev, name, _ in expected]
    assert json.dumps([value for *_, value in told]) == json.dumps([v for *_, v in expected])


RAW = b'{"id":7,"result":{"a":[{"b":"x\\n\\u00e9","c":[1,-2.5e3,true]},[[[{}]]]],"d":null},"e":"f"}'
edits = st.lists(
    st.tuples(
        st.integers(0, len(RAW) - 1),
        st.sampled_from([1, 0]),
        st.sampled_from([b"", *(bytes([b]) for b in b'{}[]",:\\01eE+-.u \n\t\x00\xc3')]),
    ),
    min_size=1,
    max_size=3,
)


def strict(body: bytes) -> bool:
    """What the standard library takes as an object, without its own additions."""

    def never(name: str) -> None:
        raise ValueError(name)

    try:
        return isinstance(json.loads(body.decode(), parse_constant=never), dict)
    except ValueError:
        return False


@given(edits, st.sampled_from([1, 5, 9999]))
def test_exactly_what_is_json_is_taken(edits: list[tuple[int, int, bytes]], cut: int) -> None:
    body = RAW
    for at, dropped, put in edits:
        body = body[:at] + put + body[at + dropped :]
    assert walked(body, cut)[0] is strict(body)


@cache
def patterns(version: tuple[int, ...]) -> list[re.Pattern[bytes]]:
    """As they are for that Python."""
    spec = find_spec("gateway.wire.json_runs")
    assert spec is not None and spec.loader is not None
    runs = module_from_spec(spec)
    with patch.object(sys, "version_info", version):
        spec.loader.exec_module(runs)
    return [runs.items(), runs.members(), *map(re.compile, (runs.STRING, runs.SCALAR))]


def test_no_group_is_repeated_possessively_where_python_takes_half_of_the_last() -> None:
    possessive = re.compile(rb"\)[*+?]\+")
    assert not any(possessive.search(each.pattern) for each in patterns((3, 11, 4)))
    assert any(possessive.search(each.pattern) for each in patterns((3, 11, 5)))


@pytest.mark.skipif(sys.version_info < (3, 11, 5), reason="its possessive repeats are not sound")
@given(edits, st.integers(0, len(RAW)))
def test_the_patterns_for_an_older_python_take_the_same(
    edits: list[tuple[int, int, bytes]], at: int
) -> None:
    body = RAW
    for place, dropped, put in edits:
        body = body[:place] + put + body[place + dropped :]
    older, newer = (
        [found and found.end() for found in (each.match(body, at) for each in patterns(version))]
        for version in ((3, 11, 4), (3, 11, 5))
    )
    assert older == newer


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"a":NaN}',
        b'{"a":01}',
        b'{"a":1,}',
        b'{"a":[1,]}',
        b'{"a":1]',
        b'{"a":"\x01"}',
        b'{"a":"\\x"}',
        b'{"a":"\xff"}',
        b'{"a":1}{',
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_json_is_not_taken(body: bytes) -> None:
    assert not walked(body, 1)[0] and not walked(body, 100)[0]


def test_what_is_nested_or_named_without_end_is_not_taken() -> None:
    assert not walked(b'{"a":' * (MAX_DEPTH + 1), 100)[0]
    noting = Noting()
    with pytest.raises(Malformed):
        Walk(noting, "result").feed(b'{"' + b"n" * (MAX_TOKEN + 1))
    with pytest.raises(Malformed):
        Walk(noting, "result").feed(b'{"n":' + b"1" * (MAX_TOKEN + 1))


def test_a_document_without_its_last_byte_is_not_complete() -> None:
    assert walked(RAW, 9)[0] and not walked(RAW[:-1], 9)[0]


@pytest.mark.parametrize("odd", [bytes([byte]) for byte in range(0x21)] + [b"\\", b'"', b"\x7f"])
@pytest.mark.parametrize("cut", [json_runs.WINDOW + 1, 3 * json_runs.NEAR])
def test_an_odd_byte_in_a_long_text_is_found(odd: bytes, cut: int) -> None:
    long = b"x" * json_runs.WINDOW
    for text in (long + odd + long, odd + long, long + odd + b"n" + long):
        body = b'{"result":{"a":"%b"}}' % text
        try:
            json.loads(body)
            whole = True
        except ValueError:
            whole = False
        assert walked(body, cut)[0] is whole


ALIKE = b'{"result":{"a":[%b]}}'
ITEMS = [
    b'{"type":"text","text":"a,{\\"type\\":b"}',
    b'{"type":[{"type":1},{"type":2}]}',
    b'"x,\\",\\"y"',
    b"-1.5e3",
    b"[1,[2]]",
    b'[1,[2],"x",[[3],[4]]]',
    '{"type": "\u00e9\U0001f600"}'.encode(),
    b'"\\ud83d"',
]


@given(
    st.lists(st.sampled_from(ITEMS), min_size=1, max_size=6),
    st.sampled_from([b",", b", ", b",\n  "]),
    edits,
    st.booleans(),
    st.sampled_from([1, 40, 9999]),
)
def test_exactly_what_is_json_is_taken_of_many_alike(
    items: list[bytes], comma: bytes, edits: list[tuple[int, int, bytes]], edited: bool, cut: int
) -> None:
    body = ALIKE % comma.join(items * 3)
    for at, dropped, put in edits if edited else ():
        body = body[: at + 16] + put + body[at + 16 + dropped :]
    assert walked(body, cut)[0] is strict(body)


@given(
    st.lists(
        st.sampled_from(
            [b"x" * 100, "\u00e9".encode() * 70, "\U0001f600".encode(), b'\\"', b"\\\\"]
        )
        | st.sampled_from(
            [b"\\u00e9", b"\\ud83d\\ude00", b"\\udead", b"\\n", b'"', b"\n", b"\\x", b"\\"]
        ),
        max_size=12,
    ),
    st.integers(1, 700),
)
def test_exactly_what_is_a_text_is_taken_for_one(parts: list[bytes], cut: int) -> None:
    body = b'{"result":{"a":"%b"}}' % b"".join(parts)
    whole, members = walked(body, cut)
    assert whole is strict(body)
    if whole:
        assert b"".join(raw for level, _, raw in members if level == 2) == body[15:-2]


def test_a_name_that_is_half_a_surrogate_pair_is_a_name() -> None:
    whole, members = walked(b'{"\\udead":1,"result":{"\\ud83d":2,"\\u00e9":3}}', 99)
    assert whole
    assert [name for _, name, _ in members] == ["\udead", "result", "\ud83d", "\u00e9"]


@pytest.mark.parametrize(
    "row",
    [
        b'[%d,"x"]',
        b'[%d,[1,2],"x",[[1],[2]]]',
        b'[{"a":%d,"b":[1,2]},{"a":2}]',
        b'{"a":%d,"b":[{"a":1},{"a":2}]}',
    ],
)
def test_rows_are_proved_in_runs_though_what_is_in_them_begins_as_they_do(row: bytes) -> None:
    rows = b",".join(row % number for number in range(9_000))
    found = [end for end in guessed_ends(rows, 0) if are_items(rows[:end], 20)]
    assert found and found[0] > len(rows[: json_runs.RUN]) - 2 * len(row)


def test_what_is_refused_again_and_again_is_looked_for_ever_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = list[int]()
    monkeypatch.setattr(json_walk, "are_items", lambda *_: looked.append(1))
    deep = b'[[[[1]]],"%b"]' % (b"x" * 90)
    assert walked(ALIKE % b",".join([deep] * 9_000), 99_999)[0]
    assert 0 < len(looked) < 1_000


ODD = b'[[[{"a":[[["\\ud800"]]]}]]]'


def test_what_takes_a_step_for_every_few_bytes_is_not_read_at_one_go() -> None:
    noting, goes = Noting(), 0
    walk = Walk(noting, "result")
    body = ALIKE % b",".join([ODD] * 9_000)
    walk.feed(body)
    while walk.behind:
        goes += 1
        walk.feed(b"")
    assert walk.complete and b"".join(raw for *_, raw in noting.members) in body
    assert goes > 50


def test_what_is_as_most_results_are_is_read_at_one_go() -> None:
    walk = Walk(Noting(), "result")
    record = b'{"id":1,"name":"%b","tags":["a","b"],"at":{"x":1.5}}' % (b"n" * 40)
    walk.feed(ALIKE % b",".join([record] * 2_500))
    assert walk.complete and not walk.behind


@pytest.mark.parametrize(
    "body", [RAW, RAW[:-1], RAW + b" ", RAW + b"x", RAW.replace(b"null", b"nul")]
)
@pytest.mark.parametrize("cut", [1, 7, 999])
def test_how_far_it_goes_at_one_go_is_no_matter(
    monkeypatch: pytest.MonkeyPatch, body: bytes, cut: int
) -> None:
    at_once = walked(body, cut)
    monkeypatch.setattr(json_walk, "STEPS", 1)
    assert walked(body, cut) == at_once


def test_an_array_of_nothing_but_commas_is_not_taken() -> None:
    for inside in (b" ,1,1", b"1,,1", b"1, ,1", b",", b'{"a":1},,{"a":1}', b'{"a":1}, ,{"a":1}'):
        assert not walked(ALIKE % inside, 9999)[0]


def nested(levels: int, wide: bool) -> bytes:
    """An item of so many levels; `wide`: with brackets side by side besides."""
    return b'{"d":%b1%b%b}' % (b"[" * (levels - 1), b"]" * (levels - 1), b',"w":[[],[]]' * wide)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("times", [3, 2 * MAX_DEPTH])
def test_items_alike_go_no_deeper_than_anything_else(times: int, wide: bool) -> None:
    above = 3  # the document, its result, the list
    few = [nested(7, wide)] * times
    for levels in (40, MAX_DEPTH - above):
        assert walked(ALIKE % b",".join([*few, nested(levels, wide), *few]), 99_999)[0]
    deep = [*few, nested(MAX_DEPTH - above + 1, wide), *few]
    assert not walked(ALIKE % b",".join(deep), 99_999)[0]


ENDS = [
    b"",
    b"\xc3",
    b"\xa9",
    b"\xe2\x82",
    b"\xac",
    b"\xff",
    b"\x00",
    b"\n",
    b'"',
    b'"}}',
    b"\\",
    b"\\u00",
    b"e9",
]
LONG = [b"x", b"x\\n", b'\\"', b"\\\\", b"\\u00e9", "\u00e9\\t".encode(), b"\\ud83d"]


@given(
    st.lists(st.tuples(st.sampled_from(ENDS), st.sampled_from(ENDS)), min_size=1, max_size=4),
    st.sampled_from(LONG),
)
@example([(b"", b"\\u00"), (b"e9", b"")], b"x")
@example([(b"", b"\xc3"), (b"\xa9", b"")], b"x")
def test_a_text_that_goes_on_in_whole_pieces_is_read_no_less_strictly(
    ends: list[tuple[bytes, bytes]], filling: bytes
) -> None:
    long = filling * (json_runs.NEAR + 1)
    pieces = [b'{"result":{"a":"' + long, long, *(b + long + e for b, e in ends), b'"}}']
    noting = Noting()
    walk = Walk(noting, "result")
    body = b"".join(pieces)
    try:
        for piece in pieces:
            if walk.goes_on(piece):
                noting.piece(piece)
            else:
                walk.feed(piece)
    except Malformed:
        assert not strict(body)
        return
    assert walk.complete is strict(body)
    if walk.complete:
        assert noting.members[-1] == (2, "a", body[15:-2])
