"""The answer to one POST: whole where nothing came before it, else on the stream; and then nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from gateway.core.model import Answer, ClientFacts, Endpoint, Era, Request, WorkloadIdentity
from gateway.values import replace
from gateway.wire.agents.exchange import Gone, Head, Header, Reply
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.posted import Posted
from gateway.wire.agents.quiet import Quiet

WHO = WorkloadIdentity("i", "agent:a", "t", "task", "general", frozenset(), "id", 0)
REQUEST = Request(
    Endpoint("all"), WHO, Era.STATELESS, 7, "tools/call", {"name": "x"}, ClientFacts("2026-07-28")
)
ANSWER = Answer({"content": [], "resultType": "complete"})
BODY = b'{"jsonrpc":"2.0","id":7,"result":{"content":[],"resultType":"complete"}}'


class Kept:
    """An `Exchange` that keeps what is written."""

    head = Head("POST", "/mcp", ())
    certificate = b""
    whole = b""
    task: asyncio.Task[Any] | None = None

    def __init__(self) -> None:
        self.written = b""

    async def chunks(self) -> AsyncIterator[bytes]:
        yield b""

    async def reply(self, reply: Reply) -> None:
        self.written += reply.body

    def put(self, body: bytes) -> bool:
        self.written += body
        return True

    async def start(self, headers: Sequence[Header]) -> None:
        self.written += b"<%b>" % dict(headers)["content-type"].encode()

    async def write(self, *pieces: bytes, last: bool = False) -> None:
        self.written += b"".join(pieces) + (b"<end>" if last else b"")

    def add(self, pieces: Sequence[bytes], last: bool = False) -> bool:
        self.written += b"".join(pieces) + (b"<end>" if last else b"")
        return True

    def cut(self) -> None:
        self.written += b"<cut>"

    def watch(self, told: Callable[[], None] | None) -> None: ...

    def gone(self) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()


class Slow(Kept):
    """The reader has to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for, self.takes = asyncio.Event(), asyncio.Event()

    async def write(self, *pieces: bytes, last: bool = False) -> None:
        self.waited_for.set()
        await self.takes.wait()
        await super().write(*pieces, last=last)


def posted(exchange: Kept, request: Request = REQUEST) -> Posted:
    return Posted(exchange, Quiet(60.0), request, Limits())


async def say_more(one: Posted) -> None:
    await one.notify("notifications/progress", {"progress": 1})
    await one.keep_alive()


async def test_an_answer_before_which_nothing_came_is_whole_and_nothing_follows_it() -> None:
    exchange = Kept()
    one = posted(exchange)
    with one:
        pass
    await say_more(one)
    assert one.stream is None
    assert exchange.written == b""


async def test_an_answer_after_a_notification_ends_the_stream_and_nothing_follows_it() -> None:
    exchange = Kept()
    one = posted(exchange)
    with one:
        await one.notify("notifications/progress", {"progress": 1})
    assert one.stream is not None
    await one.end(ANSWER)
    ended = exchange.written
    await say_more(one)
    assert ended.startswith(b"<text/event-stream>") and ended.endswith(BODY + b"\n\n<end>")
    assert exchange.written == ended


async def test_on_an_open_stream_what_comes_next_is_written_without_a_turn_of_the_loop() -> None:
    exchange = Kept()
    one = posted(exchange)
    await one.notify("notifications/progress", {"progress": 1})
    with pytest.raises(StopIteration):
        one.notify("notifications/progress", {"progress": 2}).send(None)
    assert b'"progress":2' in exchange.written


async def test_what_comes_while_a_slow_reader_is_waited_for_comes_after_it() -> None:
    exchange = Slow()
    one = posted(exchange)
    said = [
        asyncio.ensure_future(one.notify("notifications/progress", {"progress": number}))
        for number in range(3)
    ]
    await exchange.waited_for.wait()
    exchange.takes.set()
    await asyncio.gather(*said)
    places = [exchange.written.index(b'"progress":%d' % number) for number in range(3)]
    assert places == sorted(places)


async def test_a_large_answer_is_json_in_pieces_and_nothing_comes_between() -> None:
    exchange = Kept()
    one = posted(exchange)
    with one:
        assert await one.outlet.begin()
        await one.outlet.write(b'"content":', b"[]")
        await say_more(one)
    await one.end(replace(ANSWER, result={"resultType": "complete"}, carried=True))
    assert exchange.written == b"<application/json>" + BODY + b"<end>"


@pytest.mark.parametrize("told", [False, True])
async def test_once_a_large_answer_has_begun_its_pieces_and_its_end_take_no_turn_of_the_loop(
    told: bool,
) -> None:
    exchange = Kept()
    one = posted(exchange)
    if told:
        await one.notify("notifications/progress", {"progress": 1})
    before = exchange.written
    assert not one.outlet.add((b"too early",))
    assert await one.outlet.begin()
    assert not one.outlet.add((b"too early",)) and exchange.written == before
    await one.outlet.write(b'"content":')
    assert one.outlet.add((b"[", b"]"))
    ending = one.end(replace(ANSWER, result={"resultType": "complete"}, carried=True))
    with pytest.raises(StopIteration):
        ending.send(None)
    kind, end = (b"event: message\ndata: ", b"\n\n") if told else (b"<application/json>", b"")
    assert exchange.written == before + kind + BODY + end + b"<end>"


async def test_a_large_answer_that_is_not_to_be_completed_has_no_end() -> None:
    exchange = Kept()
    one = posted(exchange)
    assert await one.outlet.begin()
    await one.outlet.write(b'"content":')
    with pytest.raises(Gone):
        await one.end(replace(ANSWER, carried=False))
    assert exchange.written.endswith(b'"content":<cut>')
    assert not one.outlet.add((b"x",))


@pytest.mark.parametrize(("asked", "heard"), [(None, False), ("error", False), ("debug", True)])
async def test_log_messages_come_to_who_asked_for_them(asked: str | None, heard: bool) -> None:
    exchange = Kept()
    facts = replace(REQUEST.client, log_level=asked)
    one = posted(exchange, replace(REQUEST, client=facts))
    await one.notify("notifications/message", {"level": "warning", "data": "x"})
    assert (b"notifications/message" in exchange.written) is heard


async def test_nobody_is_asked_anything() -> None:
    answer = await posted(Kept()).ask("sampling/createMessage", {})
    assert answer.error is not None and answer.error.code == -32601
