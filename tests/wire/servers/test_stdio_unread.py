from __future__ import annotations

import logging

import pytest

from gateway.wire.servers.stdio_unread import MAX_LOUD, Unread

LOG = logging.getLogger("bulkhead.server.tried")
ANSWER = b'{"jsonrpc":"2.0","id":17,"result":{"text":"K\xf6ln"}}'


def test_words_of_a_server_at_every_call_do_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    unread = Unread(LOG)
    for number in range(MAX_LOUD + 5):
        assert unread.tell(b"called", f"called {number}", "not JSON") is None
    loud = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(loud) == MAX_LOUD and len(caplog.records) == MAX_LOUD + 5
    assert loud[0] == "skipped a line: not JSON: called 0"
    assert loud[-1].endswith("; more of these are told at level info")


def test_an_answer_is_told_however_many_words_there_were(caplog: pytest.LogCaptureFixture) -> None:
    unread = Unread(LOG)
    for _ in range(MAX_LOUD + 5):
        unread.tell(b"called", "called", "not JSON")
    caplog.clear()
    assert unread.tell(ANSWER, "an answer", "not UTF-8") == 17
    assert [one.levelno for one in caplog.records] == [logging.WARNING]


def test_a_line_is_shown_no_further_than_a_person_reads(caplog: pytest.LogCaptureFixture) -> None:
    Unread(LOG).tell(b"x", "x" * 5_000, "not JSON")
    assert len(caplog.messages[0]) < 300


@pytest.mark.parametrize(
    "line",
    [
        b'fetching {"table":"users","id":17}',
        b'got {"jsonrpc":"2.0","method":"tools/call","id":17}',
        b'{fetching} {"id":17}',
        b'{"method":"roots/list","params":{"x":NaN},"jsonrpc":"2.0","id":17}',
        b'{"jsonrpc":"2.0","id":17,"method":"roots/list","params":{"x":NaN}}',
        b'{"jsonrpc": "2.0", "id": "17", "method": "roots/list", "params": {"x": NaN}}',
    ],
)
def test_words_and_questions_with_an_id_are_no_answers(line: bytes) -> None:
    assert Unread(LOG).tell(line, "shown", "not JSON") is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"result":{"x":NaN},"jsonrpc":"2.0","id":17}',
        b' {"jsonrpc": "2.0", "result": {"x": NaN}, "id": 17}',
    ],
)
def test_an_answer_may_say_at_its_end_whose_it_is(line: bytes) -> None:
    assert Unread(LOG).tell(line, "shown", "not JSON") == 17
