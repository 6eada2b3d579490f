from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.servers.stdio_lines import EDGE, Lines, Overlong


@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_are_the_same_however_the_pipe_cuts_them(
    lines: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    reader, came = Lines(100), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        came += list(reader.feed(stream[start:end]))
    assert came == lines


def test_a_line_of_exactly_the_bound_is_kept_and_one_byte_more_is_not() -> None:
    reader = Lines(300)
    kept, over = reader.feed(b"a" * 300 + b"\n" + b"b" * 301 + b"\n")
    assert kept == b"a" * 300
    assert over == Overlong(b"b" * EDGE, b"b" * EDGE)


def test_the_line_after_an_overlong_one_is_whole() -> None:
    reader = Lines(10)
    came = [line for chunk in (b"x" * 50, b"y" * 50 + b"\nnext\n") for line in reader.feed(chunk)]
    assert isinstance(came[0], Overlong)
    assert came[1:] == [b"next"]


def test_an_overlong_line_costs_two_edges_not_its_length() -> None:
    reader = Lines(1_000)
    for _ in range(1_000):
        assert list(reader.feed(b"x" * 10_000)) == []
    assert len(reader._kept) <= EDGE
    (line,) = reader.feed(b"\n")
    assert isinstance(line, Overlong) and len(line.start) + len(line.end) <= 2 * EDGE


def overlong(line: bytes) -> Overlong:
    reader = Lines(20)
    (found,) = reader.feed(line + b"\n")
    assert isinstance(found, Overlong)
    return found


def test_an_overlong_answer_names_its_request_where_the_sdks_write_it() -> None:
    text = b'{"content":"' + b"x" * 1_000 + b'"}'
    assert overlong(b'{"jsonrpc":"2.0","id":17,"result":' + text + b"}").answer_to == 17
    assert overlong(b'{"jsonrpc":"2.0","id":"17","result":' + text + b"}").answer_to == 17
    assert overlong(b'{"result":' + text + b',"jsonrpc":"2.0","id":18}').answer_to == 18
    assert overlong(b'{"result":' + text + b',"id":19,"jsonrpc":"2.0"}').answer_to == 19


def test_an_id_inside_the_overlong_result_is_not_taken_for_the_requests() -> None:
    inside = b'{"result":{"id":17,"text":"' + b"x" * 1_000 + b'"}}'
    assert overlong(inside).answer_to is None


def test_an_overlong_notification_is_no_answer() -> None:
    params = b'"params":{"data":"' + b"x" * 1_000 + b'"}}'
    assert overlong(b'{"jsonrpc":"2.0","method":"notifications/message",' + params).is_message
    assert not overlong(b'{"jsonrpc":"2.0","id":1,"result":' + b" " * 1_000 + b"{}}").is_message
