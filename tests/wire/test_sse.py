"""gateway.wire.sse: framing that survives every way a stream can be cut."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire import sse
from gateway.wire.sse import Event, EventTooLarge, Parser

LIMIT = 1024


def read(*chunks: bytes, limit: int = LIMIT) -> list[Event]:
    parser = Parser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_each_line_end_of_the_standard_ends_a_line(end: bytes) -> None:
    stream = end.join([b"event: message", b"id: 7", b"data: one", b"data: two", b"", b""])
    assert read(stream) == [Event(b"one\ntwo", "message", "7")]


def test_a_crlf_cut_in_two_is_one_line_end() -> None:
    assert read(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [Event(b"a\nb")]


def test_comments_and_unknown_fields_say_nothing() -> None:
    assert read(b": ping\n\nfoo: bar\n\ndata:x\n\n") == [Event(b"x")]


def test_only_one_space_after_the_colon_is_dropped() -> None:
    assert read(b"data:  x\n\n") == [Event(b" x")]


def test_a_field_without_a_colon_has_an_empty_value() -> None:
    assert read(b"data\ndata\n\n") == [Event(b"\n")]


def test_an_event_without_data_is_not_dispatched_but_its_id_counts() -> None:
    parser = Parser(LIMIT)
    assert parser.feed(b"id: 1\nretry: 50\n\n") == []
    assert (parser.last_id, parser.retry) == ("1", 50)


def test_a_priming_event_with_empty_data_is_dispatched_with_its_id() -> None:
    assert read(b"id: 1\ndata:\n\n") == [Event(b"", "message", "1")]


def test_an_id_holds_until_the_next_one() -> None:
    assert [event.id for event in read(b"id: a\ndata: 1\n\ndata: 2\n\nid: b\ndata: 3\n\n")] == [
        "a",
        "a",
        "b",
    ]


def test_an_id_with_nul_and_a_retry_with_letters_are_ignored() -> None:
    parser = Parser(LIMIT)
    parser.feed(b"id: a\0b\nretry: 5s\n\n")
    assert (parser.last_id, parser.retry) == (None, None)


def test_a_byte_order_mark_cut_in_three_is_skipped() -> None:
    assert read(b"\xef", b"\xbb", b"\xbfdata: x\n\n") == [Event(b"x")]


def test_two_bytes_of_a_mark_that_is_none_are_kept() -> None:
    assert read(b"\xef\xbb", b": x\ndata: y\n\n") == [Event(b"y")]


def test_an_unfinished_event_at_the_end_is_dropped() -> None:
    assert read(b"data: x\n") == []


def test_an_event_over_the_limit_is_refused_whatever_it_is_made_of() -> None:
    for flood in (
        b"data: " + b"x" * LIMIT,
        b"data:\n" * LIMIT,
        b"id: 1\n" * LIMIT,
        b":" * 2 * LIMIT,
    ):
        with pytest.raises(EventTooLarge):
            read(flood)


def test_comments_for_ever_are_not_an_event_over_the_limit() -> None:
    assert read(*[b": keep-alive\n\n"] * LIMIT, b"data: x\n\n") == [Event(b"x")]


def test_a_large_event_within_the_limit_passes() -> None:
    data = b"x" * (4 * 1024 * 1024)
    assert read(b"data: ", data, b"\n\n", limit=len(data) + 16) == [Event(data)]


def test_a_stream_of_large_events_holds_one_event_at_a_time() -> None:
    event = b"data: " + b"x" * 1_000_000 + b"\n\n"
    parser = Parser(2_000_000)
    tracemalloc.start()
    for _ in range(50):
        for start in range(0, len(event), 65_536):
            parser.feed(event[start : start + 65_536])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


LINES = st.lists(
    st.sampled_from(
        [
            b"data: a",
            b"data",
            b"data:",
            b"id: 1",
            b"id",
            b"event: e",
            b": c",
            b"x",
            b"retry: 1",
            b"",
        ]
    ),
    max_size=30,
)


@settings(max_examples=100)
@given(
    lines=LINES, end=st.sampled_from([b"\n", b"\r", b"\r\n"]), cuts=st.lists(st.integers(0, 300))
)
def test_however_a_stream_is_cut_it_reads_the_same(
    lines: list[bytes], end: bytes, cuts: list[int]
) -> None:
    stream = b"".join(line + end for line in lines)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    assert read(*pieces) == read(stream)


@settings(max_examples=100)
@given(data=st.binary(max_size=200), ident=st.one_of(st.none(), st.text("abc:1 ", max_size=5)))
def test_what_is_encoded_is_read_back(data: bytes, ident: str | None) -> None:
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events = read(sse.encode(data, id=ident))
    assert [(event.data, event.id) for event in events] == [(lines, ident)]


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
def test_a_line_break_cannot_be_smuggled_into_an_id(bad: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        sse.encode(b"", id=bad)


def test_a_comment_keeps_the_stream_open_and_is_no_event() -> None:
    assert read(sse.COMMENT) == []


@pytest.mark.parametrize("cut", [1, 2, 5, 100])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_can_flow_from_any_point_on(cut: int, end: bytes) -> None:
    lines = [
        b"event: message",
        b"data: {",
        b": note",
        b'data:"a": 1',
        b"data",
        b"id: 7",
        b"data: }",
    ]
    stream = end.join([*lines, b"", b"data: next", b"", b""])
    until = stream.index(b"data: }") + len(b"data: }")
    for start in range(1, until):
        parser = Parser(1000)
        assert parser.feed(stream[:start]) == []
        data, flow = parser.flow()
        for at in range(start, len(stream), cut):
            if flow.ended:
                break
            data += flow.feed(stream[at : at + cut])
        assert flow.ended
        assert data == b'{\n"a": 1\n\n}'


def test_a_line_without_end_that_is_no_data_does_not_flow() -> None:
    _, flow = Parser(1000).flow()
    with pytest.raises(EventTooLarge):
        flow.feed(b"x" * 1_000_000)
