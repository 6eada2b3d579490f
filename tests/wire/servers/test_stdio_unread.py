from __future__ import annotations

import asyncio
import logging
import sys

import pytest

from gateway.ports import ServerUnavailable
from gateway.settings import ServerSettings
from gateway.wire.servers.stdio import StdioServer
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


def test_answers_to_nobody_and_words_share_what_may_be_loud(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    unread = Unread(LOG)
    for _ in range(MAX_LOUD):
        unread.stray()
        unread.tell(b"called", "called", "not JSON")
    loud = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(loud) == MAX_LOUD and len(caplog.records) == 2 * MAX_LOUD
    assert loud[0] == "skipped an answer without one of our ids"


async def test_a_server_that_writes_answers_nobody_waits_for_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    program = (
        "import sys, json\n"
        "said = {'jsonrpc': '2.0'}\n"
        "for line in sys.stdin:\n"
        "    id = json.loads(line).get('id')\n"
        "    for _ in range(50): print(json.dumps({**said, 'result': {}}))\n"
        "    no = {**said, 'id': id, 'error': {'code': -1, 'message': 'no'}}\n"
        "    print(json.dumps(no), flush=True)\n"
    )
    server = StdioServer("tried", ServerSettings(command=(sys.executable, "-c", program)))
    async with asyncio.timeout(20):
        with pytest.raises(ServerUnavailable):
            await server.fetch("tools/list", {})
        await server.aclose()
    assert 0 < sum("skipped an answer" in text for text in caplog.messages) <= MAX_LOUD


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
