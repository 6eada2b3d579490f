"""The short way: what it takes, what it leaves to the engine, and that nobody can tell which it was."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.model import Endpoint
from gateway.wire.agents import knownheads, lane
from gateway.wire.agents.admitted import Admitted
from gateway.wire.agents.exchange import Exchange, Head
from gateway.wire.agents.knownheads import Known, KnownHeads
from gateway.wire.agents.laneexchange import LaneExchange
from tests.wire.agents.house import RememberingGate, serving
from tests.wire.agents.raw import Connection, connection, stateless


@asynccontextmanager
async def primed(gate: RememberingGate) -> AsyncIterator[tuple[Connection, bytes, int]]:
    """A connection whose head is known, the request that has it, and where its body begins."""
    async with serving(gate) as place, connection(place) as line, asyncio.timeout(20):
        headers, body = stateless()
        await line.send(headers=headers, body=body)
        assert (await line.reply()).status == 200
        lines = ["POST /mcp HTTP/1.1", f"Host: {place.host}:{place.port}"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        yield line, head + body, len(head)


async def begin_one_that_hangs(gate: RememberingGate, line: Connection, request: bytes) -> None:
    """Sent behind the same head, and being served."""
    gate.started.clear()
    line.writer.write(
        request.replace(b'"echo"', b'"hang"').replace(b"mcp-name: echo", b"mcp-name: hang")
    )
    await gate.started.wait()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that went the short way."""
    bodies: list[bytes] = []

    def noted(head: Head, whole: bytes, *rest: Any) -> LaneExchange:
        bodies.append(whole)
        return LaneExchange(head, whole, *rest)

    monkeypatch.setattr(lane, "LaneExchange", noted)
    return bodies


async def test_a_request_behind_a_known_head_goes_the_short_way_and_is_answered_alike(
    short: list[bytes], way: str
) -> None:
    async with primed(RememberingGate()) as (line, request, start):
        before = len(short)
        line.writer.write(request)
        again = await line.reply()
    assert before == (way == "lane")
    assert short[-1] == request[start:]
    assert again.status == 200
    assert set(again.headers) >= {"content-type", "content-length", "date"}


async def test_a_body_of_another_length_behind_the_same_head_goes_the_short_way_too(
    short: list[bytes],
) -> None:
    async with primed(RememberingGate()) as (line, request, start):
        line.writer.write(request)
        assert (await line.reply()).status == 200
        before, body = len(short), request[start:].replace(b"{", b"{ ", 1)
        said, now = b": %d\r\n" % (len(body) - 1), b": %d\r\n" % len(body)
        line.writer.write(request[:start].replace(said, now) + body)
        again = await line.reply()
    assert (again.status, short[before:]) == (200, [body])


async def test_a_request_cut_anywhere_is_the_same_request(short: list[bytes]) -> None:
    gate = RememberingGate()
    async with primed(gate) as (line, request, start):
        for cut in (1, start - 3, start - 1, start, start + 1, len(request) - 1):
            line.writer.write(request[:cut])
            await line.writer.drain()
            await asyncio.sleep(0.01)  # so that the cut is one for the reader, too
            line.writer.write(request[cut:])
            assert (await line.reply()).status == 200
    assert len(gate.requests) == 7
    assert {len(body) for body in short} == {len(request) - start}


async def test_requests_sent_at_once_are_answered_one_by_one_in_their_order() -> None:
    gate = RememberingGate()
    async with primed(gate) as (line, request, _):
        second = request.replace(b'"id": 1', b'"id": 2')
        line.writer.write(request + second + request)
        ids = [(await line.reply()).json["id"] for _ in range(3)]
        line.writer.write(second)
        line.writer.write(request)
        ids += [(await line.reply()).json["id"] for _ in range(2)]
    assert ids == [1, 2, 1, 2, 1]


async def test_what_comes_while_one_is_served_waits_for_its_end(short: list[bytes]) -> None:
    gate = RememberingGate()
    async with primed(gate) as (line, request, _):
        await begin_one_that_hangs(gate, line, request)
        line.writer.write(request)
        line.writer.write(request)
        await line.writer.drain()
        assert gate.requests[-1].params["name"] == "hang"
        gate.go.set()
        ids = [(await line.reply()).status for _ in range(3)]
    assert ids == [200, 200, 200]
    assert [asked.params["name"] for asked in gate.requests] == ["echo", "hang", "echo", "echo"]


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> list[lane.Lane]:
    """Every connection that is made."""
    made: list[lane.Lane] = []
    connection_made = lane.Lane.connection_made

    def noted(self: lane.Lane, transport: Any) -> None:
        connection_made(self, transport)
        made.append(self)

    monkeypatch.setattr(lane.Lane, "connection_made", noted)
    return made


async def test_when_the_gateway_stops_what_is_served_is_waited_for_and_its_connection_ends(
    lanes: list[lane.Lane],
) -> None:
    gate = RememberingGate()
    async with primed(gate) as (line, request, _):
        await begin_one_that_hangs(gate, line, request)
        lanes[-1].shutdown()
        waited_for = set(lanes[-1].tasks)
        gate.go.set()
        assert (await line.reply()).status == 200
        assert await line.reader.read() == b""
    assert len(waited_for) == 1 and lanes[-1].tasks == set()


async def test_when_its_agent_is_gone_what_was_served_is_still_waited_for(
    lanes: list[lane.Lane],
) -> None:
    gate = RememberingGate()
    async with primed(gate) as (line, request, _):
        await begin_one_that_hangs(gate, line, request)
        lost = lanes[-1]
        lost.connection_lost(None)
        (task,) = lost.tasks
        await asyncio.wait([task])
    assert lost.tasks == set()


async def test_a_body_that_is_late_is_the_engines_to_wait_for(
    short: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, engines, to_engine = RememberingGate(), asyncio.Event(), lane.Lane._to_engine

    def noted(self: lane.Lane, data: bytes) -> None:
        to_engine(self, data)
        engines.set()

    async with primed(gate) as (line, request, start):
        short.clear()
        monkeypatch.setattr(lane, "LATE", 0.01)
        monkeypatch.setattr(lane.Lane, "_to_engine", noted)
        line.writer.write(request[: start + 4])
        await engines.wait()
        line.writer.write(request[start + 4 :])
        assert (await line.reply()).status == 200
    assert short == []
    assert len(gate.requests) == 2


@pytest.mark.parametrize("abrupt", [True, False])
async def test_who_goes_away_has_cancelled(abrupt: bool) -> None:
    gate = RememberingGate()
    async with primed(gate) as (line, request, _):
        await begin_one_that_hangs(gate, line, request)
        if abrupt:
            line.hang_up()
        else:
            line.writer.write_eof()
        await gate.ended.wait()
    assert len(gate.cancelled) == 1


@pytest.mark.parametrize("recalls", [False, True])
async def test_a_token_is_asked_for_with_every_request(
    recalls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = RememberingGate(recalls=recalls)
    async with primed(gate) as (line, request, _):
        monkeypatch.setattr("tests.wire.agents.house.TOKENS", {})
        line.writer.write(request)
        refused = await line.reply()
    assert refused.status == 401
    assert len(gate.requests) == 1


async def test_who_is_known_again_is_not_identified_anew() -> None:
    gate = RememberingGate(recalls=True)
    async with primed(gate) as (line, request, _):
        line.writer.write(request)
        assert (await line.reply()).status == 200
    assert len(gate.evidence) == 1
    assert gate.requests[0].identity == gate.requests[1].identity


class Front:
    """Admits what is for /mcp."""

    def admits(self, head: Head) -> Admitted | None:
        return Admitted.of(head, Endpoint("all")) if head.path == "/mcp" else None

    async def serve_admitted(self, admitted: Admitted, exchange: Exchange) -> None:
        raise AssertionError("nobody asked")


class Read:
    """What the engine's parser makes of bytes: the heads it read, and how many messages ended."""

    def __init__(self) -> None:
        self.headers: list[tuple[str, str]] = []
        self.url = b""
        self.head: Head | None = None
        self.ended = 0
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        self.head = Head("POST", self.url.decode("latin-1"), tuple(self.headers))

    def on_message_complete(self) -> None:
        self.ended += 1


TRACE = b"00-%b-%b-01" % (b"a" * 32, b"b" * 16)
ODD: Sequence[bytes] = [
    b"Content-Length: 5",
    b"Content-Length: 0",
    b"Content-Length: 05",
    b"Content-Length: 5, 5",
    b"Content-Length:5 ",
    b"Content-Length: +5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: keep-alive, close",
    b"Connection: Upgrade",
    b"Upgrade: h2c",
    b"Expect: 100-continue",
    b"TE: trailers",
    b"X: a",
    b" folded",
    b"\tfolded",
    b"X: a\rb",
    b"X: a\nContent-Length: 5",
    b"traceparent: " + TRACE,
    b"traceparent: odd",
    b"traceparent: ",
    b"Traceparent: " + TRACE,
    b"TRACEPARENT: " + TRACE,
]
TRACED: Sequence[Sequence[bytes]] = [
    [b"Content-Length: 5", b"traceparent: " + TRACE],
    [b"Content-Length: 5", b"traceparent: odd", b"traceparent: " + TRACE],
]


@given(
    st.lists(st.sampled_from(ODD), max_size=5),
    st.sampled_from([b"\r\n", b"\n"]),
    st.sampled_from([b"/mcp", b"/other"]),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]),
)
@example(TRACED[0], b"\r\n", b"/mcp", b"HTTP/1.1")
@example(TRACED[1], b"\r\n", b"/mcp", b"HTTP/1.1")
def test_where_a_known_head_ends_and_its_body_is_what_the_engine_says(
    lines: Sequence[bytes], end: bytes, path: bytes, version: bytes
) -> None:
    raw = end.join([b"POST " + path + b" " + version, b"Host: a", *lines]) + end + end
    known, read = KnownHeads(Front()), Read()
    try:
        read.parser.feed_data(raw)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return
    if read.head is None or not read.parser.should_keep_alive():
        return
    known.learn(raw, read.head)
    found = known.find(raw)
    if found is None:
        return
    _is_what_the_engine_reads(raw, found, read)
    for length, trace in ((b"0", TRACE), (b"7", TRACE.replace(b"a", b"d")), (b"60000", b"")):
        other, engine = raw.replace(b"Content-Length: 5", b"Content-Length: " + length), Read()
        other = other.replace(TRACE, trace)
        engine.parser.feed_data(other)
        alike = known.find(other)
        if alike is not None:
            assert engine.head is not None
            assert alike.admitted == Admitted.of(engine.head, Endpoint("all"))
            _is_what_the_engine_reads(other, alike, engine)


def _is_what_the_engine_reads(raw: bytes, found: Known, read: Read) -> None:
    assert (found.raw, read.url) == (raw, b"/mcp")
    again = Read()
    again.parser.feed_data((raw + b"x" * (found.size - len(found.raw))) * 2)
    assert again.ended == 2
    if found.size > len(found.raw):
        short = Read()
        short.parser.feed_data(raw + b"x" * (found.size - len(found.raw) - 1))
        assert short.ended == 0


def test_a_head_whose_length_is_left_out_is_like_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # nothing is known at first sight
    known = KnownHeads(Front())
    raw = b"POST /mcp HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
    known.learn(raw, Head("POST", "/mcp", (("content-length", "5"),)))
    alike = known.find(raw.replace(b": 5", b": 17"))
    assert alike is not None and alike.size - len(alike.raw) == 17
    for odd in (b": ", b": 05", b": +5", b": 70000", b": 100000"):
        assert known.find(raw.replace(b": 5", odd)) is None


def test_a_head_with_another_trace_is_known_and_takes_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()  # nothing is known at first sight
    monkeypatch.setattr(knownheads, "MOST", 3)
    known = KnownHeads(Front())
    raw = b"POST /mcp HTTP/1.1\r\ntraceparent: " + TRACE + b"\r\nContent-Length: 5\r\n\r\n"
    said = (("traceparent", TRACE.decode()), ("content-length", "5"))
    known.learn(raw, Head("POST", "/mcp", said))
    others = [b"POST /mcp HTTP/1.1\r\nX: %d\r\nContent-Length: 0\r\n\r\n" % n for n in range(4)]
    for other in others[:2]:
        known.learn(other, Head("POST", "/mcp", (("content-length", "0"),)))
    for number in range(20):
        trace = b"%032x" % number
        found = known.find(raw.replace(b"a" * 32, trace).replace(b": 5", b": 17"))
        assert found is not None and found.size - len(found.raw) == 17
        assert found.admitted.head.get("traceparent") == TRACE.replace(b"a" * 32, trace).decode()
    assert all(map(known.find, others[:2]))
    for odd in (b"A" * 32, b"a" * 31, b"a" * 32 + b" "):
        assert known.find(raw.replace(b"a" * 32, odd)) is None
    known.find(raw.replace(b"a" * 32, b"f" * 32))
    known.learn(others[2], Head("POST", "/mcp", (("content-length", "0"),)))
    assert known.find(raw.replace(b"a" * 32, b"e" * 32)) is not None  # it was used, others were not


def test_heads_are_bounded_in_number_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # nothing is known at first sight
    monkeypatch.setattr(knownheads, "MOST", 3)
    known = KnownHeads(Front())
    head = Head("POST", "/mcp", (("content-length", "0"),))
    raws = [b"POST /mcp HTTP/1.1\r\nX: %d\r\nContent-Length: 0\r\n\r\n" % n for n in range(5)]
    for raw in raws:
        known.learn(raw, head)
    assert [known.find(raw) is not None for raw in raws] == [False, False, True, True, True]
    one = known.find(raws[4])
    assert one is not None
    monkeypatch.setattr(knownheads, "MOST_BYTES", one.cost + 10)
    known.learn(raws[0], head)
    assert [known.find(raw) is not None for raw in raws] == [True, False, False, False, False]


def test_heads_of_many_short_lines_take_no_more_memory_than_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()  # nothing is known at first sight
    monkeypatch.setattr(knownheads, "MOST_BYTES", 2**20)
    known = KnownHeads(Front())
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for n in range(20):
        lines = [*((f"{n}{k:04}", "") for k in range(1_700)), ("content-length", "0")]
        said = "".join(f"{name}:{value}\r\n" for name, value in lines)
        head = Head("POST", "/mcp", tuple(lines))
        assert head.every("content-length") == ("0",)  # what is checked of it is kept with it
        known.learn(f"POST /mcp HTTP/1.1\r\n{said}\r\n".encode(), head)
        del lines, head
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2 * 2**20


def test_a_line_that_is_said_thousands_of_times_is_read_in_proportion() -> None:
    def seconds(lines: int) -> float:
        heads = [Head("POST", "/mcp", (("a", ""),) * lines) for _ in range(3)]
        took = []
        for head in heads:
            began = time.process_time()
            assert len(head.every("a")) == lines
            took.append(time.process_time() - began)
        return min(took)

    assert seconds(20_000) < 40 * seconds(2_000)


async def test_a_connection_may_say_one_head_and_then_another(short: list[bytes]) -> None:
    gate = RememberingGate()
    async with primed(gate) as (line, request, start):
        other = request.replace(b'"echo"', b'"fail"').replace(b"mcp-name: echo", b"mcp-name: fail")
        for sent in (request, other, other, request, other, request):
            line.writer.write(sent)
            await line.reply()
        line.writer.write(request.replace(b'"echo"', b'"fail"'))
        assert (await line.reply()).status == 400
    names = [asked.params["name"] for asked in gate.requests]
    assert names == ["echo", "echo", "fail", "fail", "echo", "fail", "echo"]
    assert short[-1] == request[start:].replace(b'"echo"', b'"fail"')
