"""Events of a stream that lasts, however they are cut."""

from __future__ import annotations

import time

import pytest

from gateway.wire.servers.sse_events import Events, Said
from gateway.wire.servers.stdio_lines import Overlong

STREAM = (
    b": hello\r\n\r\nevent: endpoint\r\ndata: /post\r\n\r\n"
    b'id: 7\ndata:{"a":\ndata: 1}\n\nevent: ping\n\nevent: ping\ndata\ndata: x\n\ndata: last\n\ndata: cut'
)
SAID = [
    Said("endpoint", b"/post"),
    Said("message", b'{"a":\n1}'),
    Said("ping", b"x"),
    Said("message", b"last"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_they_are_cut(size: int) -> None:
    events = Events(100)
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [said for piece in pieces for said in events.feed(piece)] == SAID


@pytest.mark.parametrize("size", [1, 300, 5000])
@pytest.mark.parametrize("lines", [1, 3])
def test_one_over_the_bound_is_named_and_the_next_is_read(lines: int, size: int) -> None:
    events = Events(1000)
    rows = [b"x" * (2000 // lines)] * lines
    message = b'{"jsonrpc":"2.0","id":4,"result":"' + b"\ndata: ".join(rows) + b'"}'
    stream = b"data: " + message + b"\r\n\r\ndata: next\r\n\r\n"
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    large, after = (said for piece in pieces for said in events.feed(piece))
    assert isinstance(large.data, Overlong) and large.data.answer_to == 4
    assert after == Said("message", b"next")


def test_an_event_of_very_many_lines_takes_time_as_its_size() -> None:
    lines = 300_000
    events, began = Events(10 * lines), time.process_time()
    [said] = events.feed(b"data:x\n" * lines + b"\n")
    assert said.data == b"\n".join([b"x"] * lines)
    assert time.process_time() - began < 5  # seconds; with a copy for each line it is far more
