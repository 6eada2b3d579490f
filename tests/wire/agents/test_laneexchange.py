"""An answer on the short way: at once where it can be, else when its reader has room; its head is the same in both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from gateway.wire.agents.asgi import PIECE
from gateway.wire.agents.exchange import Head, Reply
from gateway.wire.agents.laneexchange import COPIED, TOGETHER, LaneExchange


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.written += b"".join(list_of_data)


class Carrier:
    """A connection without a network."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.transport: asyncio.Transport = self.wire
        self.flow = FlowControl(self.transport)
        self.server_state = ServerState()
        self.ended = 0

    def answered(self, exchange: LaneExchange) -> None:
        self.ended += 1


@pytest.mark.parametrize("body", [b"{}", b"1" * (COPIED + 1), b"1" * (PIECE + 1)])
async def test_an_answer_waits_for_a_reader_who_has_enough_to_read(body: bytes) -> None:
    carrier = Carrier()
    exchange = LaneExchange(Head("POST", "/mcp", ()), b"", carrier, b"")
    carrier.flow.pause_writing()
    assert not exchange.put(body)
    waiting = asyncio.ensure_future(exchange.reply(Reply(200, body)))
    await asyncio.sleep(0)
    assert (carrier.wire.written, carrier.ended) == (b"", 0)
    carrier.flow.resume_writing()
    await waiting
    head, _, rest = carrier.wire.written.partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    assert (rest, carrier.ended) == (body, 1)


async def test_the_usual_answer_is_to_the_byte_what_it_is_as_any_other() -> None:
    written = []
    for usual in (True, False):
        carrier = Carrier()
        carrier.server_state.default_headers = [(b"date", b"now")]
        exchange = LaneExchange(Head("POST", "/mcp", ()), b"", carrier, b"")
        if usual:
            assert exchange.put(b"{}")
        else:
            await exchange.reply(Reply(200, b"{}"))
        written.append((carrier.wire.written, carrier.ended))
    assert written[0] == written[1]


def test_every_answer_has_the_headers_of_its_own_second() -> None:
    carrier, dates = Carrier(), [b"one", b"two", b"one", b"three", b"four", b"five", b"two"]
    for date in dates:
        carrier.server_state.default_headers = [(b"date", date)]
        carrier.wire.written = b""
        assert LaneExchange(Head("POST", "/mcp", ()), b"", carrier, b"").put(b"{}")
        assert b"\r\ndate: %b\r\n" % date in carrier.wire.written


async def test_a_connection_that_ends_says_so_in_its_last_answer() -> None:
    carrier = Carrier()
    exchange = LaneExchange(Head("POST", "/mcp", ()), b"", carrier, b"")
    exchange.keep_alive = False
    assert not exchange.put(b"{}")
    await exchange.reply(Reply(200, b"{}"))
    assert b"\r\nconnection: close\r\n" in carrier.wire.written


def test_nothing_is_written_to_who_is_gone() -> None:
    carrier = Carrier()
    exchange = LaneExchange(Head("POST", "/mcp", ()), b"", carrier, b"")
    exchange.lose()
    assert exchange.put(b"{}")
    assert (carrier.wire.written, carrier.ended) == (b"", 0)


PIECES = (b"a" * PIECE, b"", b"b" * 10)


async def test_pieces_that_are_there_together_are_one_chunk_whoever_writes_them() -> None:
    chunk = b"%x\r\n%b\r\n" % (PIECE + 10, b"".join(PIECES))
    for at_once in (True, False):
        carrier = Carrier()
        exchange = LaneExchange(Head("POST", "/mcp", ()), b"", carrier, b"")
        if at_once:
            assert exchange.add(PIECES)
        else:
            await exchange.write(*PIECES)
        assert carrier.wire.written == chunk
        assert carrier.ended == 0
        if at_once:
            assert exchange.add((b"", b"e"), last=True)
        else:
            await exchange.write(b"e", last=True)
        assert carrier.wire.written == chunk + b"1\r\ne\r\n0\r\n\r\n"
        assert carrier.ended == 1
        assert not exchange.add(PIECES)


async def test_an_answer_that_is_all_written_ends_with_nothing_more() -> None:
    carrier = Carrier()
    exchange = LaneExchange(Head("POST", "/mcp", ()), b"", carrier, b"")
    await exchange.write(*PIECES)
    written = carrier.wire.written
    await exchange.write(b"", last=True)
    assert carrier.wire.written == written + b"0\r\n\r\n"
    assert carrier.ended == 1


async def test_what_has_no_room_is_not_added_and_what_is_too_much_is_written_bit_by_bit() -> None:
    carrier = Carrier()
    exchange = LaneExchange(Head("POST", "/mcp", ()), b"", carrier, b"")
    carrier.flow.pause_writing()
    assert not exchange.add(PIECES)
    assert carrier.wire.written == b""
    carrier.flow.resume_writing()
    await exchange.write(b"c" * (TOGETHER + 1))
    chunks = carrier.wire.written.count(b"%x\r\n" % PIECE)
    assert chunks == TOGETHER // PIECE
    assert carrier.wire.written.count(b"c") == TOGETHER + 1
