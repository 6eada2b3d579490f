"""A stream is made for what comes before an answer, and for nobody who cannot know of it."""

from __future__ import annotations

import asyncio
import json

from gateway.core.model import Answer, ClientFacts, Endpoint, Era, Request, WorkloadIdentity
from gateway.wire.agents.flow import ROOM
from gateway.wire.agents.lazystream import LazyStream
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.replay import Budget, Shelf
from gateway.wire.agents.working import Working
from tests.wire.agents.test_posted import Kept

WHO = WorkloadIdentity("i", "agent:a", "t", "task", "general", frozenset(), "id", 0)
REQUEST = Request(
    Endpoint("all"), WHO, Era.SESSIONS, 7, "tools/call", {"name": "x"}, ClientFacts("2025-11-25")
)
ANSWER = Answer({"content": []})
BODY = {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}


def working() -> tuple[Working, Shelf]:
    limits = Limits()
    shelf = Shelf(Budget(limits.replay_all), limits)
    return Working(shelf, REQUEST, lambda _: lambda _: True), shelf


async def test_an_answer_before_which_nothing_came_needs_no_stream() -> None:
    work, shelf = working()
    assert not work.news.done()
    work.end(ANSWER)
    assert work.news.done() and work.body is not None
    assert json.loads(work.body) == BODY
    assert (work.stream, shelf.streams, shelf.used) == (None, {}, 0)


async def test_what_comes_before_it_opens_one_that_the_answer_ends() -> None:
    work, shelf = working()
    assert await work.append(b"first")
    assert work.news.done() and work.stream is not None
    work.end(ANSWER)
    first, last = work.stream.events
    assert (first.body, json.loads(last.body), work.stream.ended) == (b"first", BODY, True)
    assert (list(shelf.streams.values()), work.body) == ([work.stream], None)


async def test_silence_opens_one_too() -> None:
    work, shelf = working()
    work.show_life()
    assert work.news.done() and list(shelf.streams.values()) == [work.stream]


async def test_nothing_is_kept_for_who_went_away_before_there_was_one() -> None:
    work, shelf = working()
    work.leave()
    assert work.news.done()
    assert not await work.append(b"first")
    assert not await work.begin()
    work.end(ANSWER)
    assert (work.body, shelf.streams, shelf.used) == (None, {}, 0)


async def test_what_comes_after_the_answer_comes_to_nobody() -> None:
    work, shelf = working()
    work.end(ANSWER)
    assert not work.put(b"late")
    work.show_life()
    work.leave()
    assert (shelf.streams, shelf.used) == ({}, 0)


async def test_who_waits_when_its_session_ends_gets_a_stream_that_is_over_at_once() -> None:
    work, shelf = working()
    shelf.waiting.add(work)
    shelf.close()
    assert work.news.done() and work.stream is not None and work.stream.ended
    work.end(ANSWER)
    assert (list(work.stream.events), work.body, shelf.streams, shelf.used) == ([], None, {}, 0)


async def test_a_large_answer_comes_in_pieces_and_is_not_kept() -> None:
    work, shelf = working()
    assert await work.begin()
    await work.write(b'"content":[]')
    assert work.stream is not None and work.stream.flow_after(0) is not None
    work.end(Answer({}, carried=True))
    assert shelf.used < 200
    assert "too large" in json.loads(work.stream.events[-1].body)["error"]["message"]


async def test_no_more_of_a_large_answer_is_taken_at_once_than_may_wait_for_its_reader() -> None:
    work, _ = working()
    assert not work.add((b"too early",))
    assert await work.begin()
    assert work.stream is not None
    flow = work.stream.flow
    assert flow is not None
    assert work.add((b'"content":"', b"a" * ROOM)) and not work.add((b"b",))
    exchange = Kept()
    reading = asyncio.ensure_future(flow.pour(LazyStream(exchange, 60)))
    async with asyncio.timeout(20):
        await work.write(b"c")
        assert work.add((b'"',))
        work.end(Answer({}, carried=True))
        await reading
    content = json.loads(exchange.written.removeprefix(b"<application/json>")[: -len(b"<end>")])
    assert content["result"]["content"] == "a" * ROOM + "c"
    assert work.add((b"d",)), "nobody reads, so it is taken and dropped"
