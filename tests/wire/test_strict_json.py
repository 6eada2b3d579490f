from __future__ import annotations

import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.wire import strict_json
from gateway.wire.strict_json import SHORT, Unreadable, dumps, parse_answer

MAX = 4 * 1024 * 1024

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**19) + 1, 10**19 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
)
keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=5) | st.dictionaries(keys, v, max_size=5), max_leaves=30
)


def parse(body: bytes, max_bytes: int = MAX, max_depth: int = 64) -> Any:
    return strict_json.parse(body, max_bytes=max_bytes, max_depth=max_depth)


def refusal(body: bytes, **bounds: int) -> Reason:
    with pytest.raises(Refused) as caught:
        parse(body, **bounds)
    assert caught.value.detail
    return caught.value.reason


@given(values)
def test_what_is_written_is_read_back_exactly(value: Any) -> None:
    again = parse(dumps(value))
    assert again == value and json.dumps(again) == json.dumps(value)


@given(values, st.booleans(), st.sampled_from([None, 2]))
def test_any_spelling_of_a_plain_value_is_accepted(value: Any, ascii: bool, indent: Any) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii, indent=indent).encode()) == value


@given(st.binary(max_size=60) | st.text('{}[]",:\\u0dD8eE+-.1tnf ', max_size=60).map(str.encode))
def test_whatever_is_accepted_another_parser_reads_the_same(body: bytes) -> None:
    try:
        value = parse(body)
    except Refused:
        return
    assert json.dumps(json.loads(body)) == json.dumps(value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"a","name":"b"}',
        b'{"name":"a","n\\u0061me":"b"}',
        b'[{"x":{"y":1,"y":1}}]',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\uDFFF":1}',
        b'"a\\u0000b"',
        b'{"\\u0000":1}',
        b'"a\x00b"',
        b'"a\nb"',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"[-1e999]",
        b"1" * 20,
        b"-" + b"1" * 20,
        b"1" * 5_000,
        b"",
        b"   ",
        b"{",
        b"{}{}",
        b"[1,]",
        b"{'a':1}",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"// no\n1",
        b"\xc2\xa01",
        b"[[[}",
        b"]",
    ],
)
def test_a_body_with_more_than_one_reading_or_none_is_malformed(body: bytes) -> None:
    assert refusal(body) is Reason.MALFORMED


@pytest.mark.parametrize(
    "body, value",
    [
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\u0000"', "\\u0000"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\\u2028"', "\u2028"),
        (b"9" * 19, 9999999999999999999),
        (b"-" + b"9" * 19, -9999999999999999999),
        (b" [1.0] \r\n", [1.0]),
        (b'{"a":{"a":1}}', {"a": {"a": 1}}),
    ],
)
def test_what_only_looks_suspicious_is_read(body: bytes, value: Any) -> None:
    assert parse(body) == value


@pytest.mark.parametrize("before", range(20))
def test_a_long_integer_is_found_wherever_it_stands(before: int) -> None:
    body = b'{"%b":%b}' % (b"a" * before, b"1" * 20)
    assert refusal(body) is Reason.MALFORMED
    assert parse(body.replace(b"1" * 20, b"1" * 19)) == {"a" * before: int("1" * 19)}


def test_no_character_of_the_body_stands_in_the_detail() -> None:
    with pytest.raises(Refused) as caught:
        parse(b'{"password":"hunter2" "x":1}')
    assert "hunter2" not in str(caught.value)


def test_one_byte_over_the_bound_is_too_large() -> None:
    assert parse(b"[1]", max_bytes=3) == [1]
    assert refusal(b"[1]", max_bytes=2) is Reason.TOO_LARGE


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]":', b"}]")])
def test_one_level_over_the_bound_is_too_deep(opening: bytes, closing: bytes) -> None:
    levels = 2 if opening.startswith(b"[{") else 1
    fits = 64 // levels
    assert parse(opening * fits + b"1" + closing * fits) is not None
    deeper = fits + 1
    assert refusal(opening * deeper + b"1" + closing * deeper) is Reason.TOO_DEEP


def test_brackets_in_strings_and_side_by_side_are_no_depth() -> None:
    side_by_side: list[Any] = [[[]] for _ in range(1_000)]
    body = json.dumps([side_by_side, "[" * 1_000, '\\"[{' * 100]).encode()
    assert parse(body) == [side_by_side, "[" * 1_000, '\\"[{' * 100]


@given(values, st.integers(1, 6))
def test_depth_is_counted_as_a_person_would(value: Any, max_depth: int) -> None:
    body = dumps(value)
    if depth(value) > max_depth:
        assert refusal(body, max_depth=max_depth) is Reason.TOO_DEEP
    else:
        assert parse(body, max_depth=max_depth) == value


def depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth, inside), default=0)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"[[],"])
def test_a_hundred_thousand_levels_cost_bounded_memory(opening: bytes) -> None:
    body = opening * 100_000
    tracemalloc.start()
    try:
        assert refusal(body) in (Reason.TOO_DEEP, Reason.TOO_LARGE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def test_too_many_values_are_too_large_and_commas_in_strings_are_not_counted() -> None:
    assert refusal(b"[" + b"[]," * 60_000 + b"0]") is Reason.TOO_LARGE
    assert refusal(b"[" + b"0," * 100_001 + b"0]") is Reason.TOO_LARGE
    text = "a,b:c" * 100_000
    assert parse(dumps([text])) == [text]


PARTS = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " :",
    '"a"',
    '"b"',
    '"a\\\\"',
    '"a\\""',
    '":"',
    '"\\":"',
    '"a" ',
]
PARTS += [
    '"a":',
    '"a":1',
    '"b":[',
    '{"a":',
    "1",
    "-0",
    "1.0",
    "1e2",
    "123456789012345678901",
    "true",
]
PARTS += ["null", "\n", "\t", '"\\u0061"', '"\\u0000"', '"\x01"', '"\\n"', '"ä"', "NaN"]
SPELT = [
    b"18446744073709551616",
    b"-9223372036854775809",
    b"-0.0",
    b"1e999",
    b"-1e999",
    b"5e-324",
    b"0.1",
    b"1E5",
]
SPELT += [
    b"9007199254740993.0",
    b"01",
    b"1.",
    b"+1",
    b"Infinity",
    b"nul",
    b"0" * 19,
    b"1" * 309,
    b"[]",
    b"{}",
]
SPELT += [
    b'"\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\xff"',
    b'"\xc3\xa9"',
    b'"\xed\xa0\x80"',
    b'"\x7f"',
    b"\xef\xbb\xbf",
]


# Answers of tool servers.


def answer(body: bytes, max_bytes: int = MAX) -> Any:
    return parse_answer(body, max_bytes=max_bytes)


@given(values)
def test_an_answer_is_relayed_exactly(value: Any) -> None:
    assert json.dumps(parse(dumps(answer(dumps(value))))) == json.dumps(value)


def test_a_string_cut_in_the_middle_of_a_character_survives_the_relay() -> None:
    body = b'{"text":"cut \\ud83d","n":[1,2.5]}'
    assert answer(body) == {"text": "cut \ud83d", "n": [1, 2.5]}
    assert dumps(answer(body)) == body


def test_numbers_of_an_answer_keep_their_kind_and_every_digit() -> None:
    body = b"[1,1.0,123456789012345678901234567890,0.1,-0.0,5e-324]"
    assert dumps(answer(body)) == body


def test_of_a_member_given_twice_in_an_answer_the_last_wins() -> None:
    assert answer(b'{"a":1,"a":2}') == {"a": 2}
    assert answer(b'{"a":"\\ud800","a":2}') == {"a": 2}


@pytest.mark.parametrize("spare", [b"", b',"\\ud800"'])
def test_a_number_no_double_holds_is_null_to_the_agent(spare: bytes) -> None:
    value = answer(b"[1e999" + spare + b"]")
    assert math.isinf(value[0])
    assert dumps(value) == b"[null" + spare + b"]"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"words",
        b"NaN",
        b'["\\ud800",NaN]',
        b'"\xff"',
        b'"\\ud800\xff"',
        b"[" * 100_000,
        b'["\\ud800",' + b"[" * 100_000,
        b"1" * 5_000,
        b"[" + b"0," * 2_000_001 + b"0]",
    ],
)
def test_an_answer_that_is_not_json_within_the_bounds_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        answer(body, max_bytes=64 * 1024 * 1024)


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("text", [b'"a"', b'"\\ud800"'])
def test_an_answer_is_no_deeper_by_whichever_parser_it_is_read(
    opening: bytes, closing: bytes, text: bytes
) -> None:
    """What the deeper stack of a later step could not walk would be an outcome nobody can write down."""
    fits = 200
    assert answer(opening * fits + text + closing * fits)
    deeper = fits + 1
    with pytest.raises(Unreadable):
        answer(opening * deeper + text + closing * deeper)


def _told(body: bytes) -> str:
    """What comes of it, to the kind of each number."""
    try:
        return repr(answer(body))
    except Unreadable:
        return "unreadable"


@given(
    st.lists(st.sampled_from([*PARTS, *(spelt.decode("latin-1") for spelt in SPELT)]), max_size=14)
)
def test_a_short_answer_is_read_as_it_is_in_the_midst_of_a_long_one(parts: list[str]) -> None:
    body = "".join(parts).encode("latin-1")
    assert _told(body) == _told(body + b" " * SHORT)


@given(values, st.booleans(), st.integers(0, 200), st.sampled_from(SPELT))
def test_the_same_of_short_documents_with_a_piece_put_in(
    value: object, ascii_only: bool, at: int, piece: bytes
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":")).encode()
    for body in (text, text[:at] + piece + text[at:]):
        assert _told(body) == _told(body + b" " * SHORT)


def test_an_answer_over_the_bound_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="larger than 2 bytes"):
        answer(b"[1]", max_bytes=2)


def _both(body: bytes) -> tuple[object, object]:
    try:
        strict: object = strict_json._strictly(body, 64)
    except Refused as refused:
        strict = refused.reason
    return strict_json._plainly(body), strict


@given(st.lists(st.sampled_from(PARTS), max_size=14))
def test_where_the_fast_parser_is_believed_the_strict_one_says_the_same(parts: list[str]) -> None:
    fast, strict = _both("".join(parts).encode())
    if fast is not strict_json._DOUBT:
        assert (fast, repr(fast)) == (strict, repr(strict))


@given(values, st.booleans(), st.integers(0, 200), st.sampled_from(PARTS))
def test_the_same_of_documents_with_a_piece_put_in(
    value: object, ascii_only: bool, at: int, piece: str
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    for one in (text, text[:at] + piece + text[at:]):
        fast, strict = _both(one.encode("utf-8", "replace"))
        if fast is not strict_json._DOUBT:
            assert (fast, repr(fast)) == (strict, repr(strict))


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":2}', b'{"a":1,"a" :2}', b'{"a":1,"a"\n:2}', b'{"a\\\\":1,"a\\\\":2}'],
)
def test_the_fast_parser_is_not_believed_of_a_member_given_twice(body: bytes) -> None:
    assert strict_json._plainly(body) is strict_json._DOUBT


def test_an_ordinary_call_is_read_by_the_fast_parser() -> None:
    body = b'{"jsonrpc":"2.0","id":1,"params":{"text":"one\\ntwo \\"three\\" \\\\ four: 3.5"}}'
    assert strict_json._plainly(body) == strict_json._strictly(body, 64)
