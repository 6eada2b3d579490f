"""A large answer goes on from its first piece; what cannot go on so is read whole, and nothing of it is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from gateway.core.model import ClientFacts, Outcome
from gateway.ports import Outbound
from gateway.settings import ServerSettings
from gateway.wire.servers.http import HttpServer
from gateway.wire.servers.http_large import LARGE
from gateway.wire.servers.http_reply import HIGH_WATER
from gateway.wire.servers.sift import Sift
from tests.servers.http_raw import Script, Wire, raw_server
from tests.wire.servers.test_http import Ear, leave

AGENT = ClientFacts("2026-07-28", {}, {"name": "agent"})
TEXT = "x" * (2 * LARGE)


class Out:
    """An outlet that remembers what went on, and when it began."""

    def __init__(self, opens: bool = True, room: Iterable[bool] = ()) -> None:
        """`room`: whether there is some, time after time; then there is."""
        self._opens = opens
        self._room = iter(room)
        self.begun = asyncio.Event()
        self.members = b""
        self.added = 0

    async def begin(self) -> bool:
        self.begun.set()
        return self._opens

    async def write(self, *pieces: bytes) -> None:
        self.members += b"".join(pieces)

    def add(self, pieces: Sequence[bytes]) -> bool:
        if not next(self._room, True):
            return False
        self.added += 1
        self.members += b"".join(pieces)
        return True


async def carried(script: Script, out: Out) -> Outcome:
    """What became of a call that a stateless server answers by this script."""

    async def stateless(wire: Wire) -> None:
        if wire.request.rpc["method"] == "server/discover":
            await wire.answer({"supportedVersions": ["2026-07-28"], "capabilities": {}})
        else:
            await script(wire)

    async with raw_server(stateless) as (url, _):
        server = HttpServer("big", ServerSettings(url=url, era="stateless"))
        message = Outbound("tools/call", {"name": "t"}, AGENT, "agent:a", outlet=out)
        try:
            async with asyncio.timeout(20):
                return await server.call(leave(), message, Ear())
        finally:
            await server.aclose()


def sized(wire: Wire, **answer: Any) -> tuple[bytes, bytes]:
    """The head and the body of an answer that says how long it is."""
    body = json.dumps({"id": wire.request.rpc["id"], **answer}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body), body


@pytest.mark.parametrize("first", [5, 80, 4000])
async def test_what_says_it_is_large_goes_on_before_the_rest_of_it_is_there(first: int) -> None:
    out = Out()

    async def script(wire: Wire) -> None:
        head, body = sized(wire, result={"content": TEXT, "isError": False})
        await wire.say(head + body[:first])
        if first < 80:
            await wire.say(body[first:80])
        await out.begun.wait()
        await wire.say(body[max(first, 80) :])

    outcome = await carried(script, out)
    assert (outcome.kind, outcome.carried, outcome.result) == ("ok", True, {"isError": False})
    assert json.loads(b"{" + out.members + b"}") == {"content": TEXT}


@pytest.mark.parametrize(
    ("answer", "opens"),
    [
        ({"error": {"code": 7, "message": TEXT}}, True),
        ({"error": {"code": 7, "message": "no"}, "vendor": TEXT}, True),
        ({"result": {"inputRequests": {}, "vendor": TEXT}}, True),
        ({"result": {"content": TEXT}}, False),
    ],
    ids=["error", "small error", "question", "no outlet"],
)
async def test_what_cannot_go_on_in_pieces_is_read_whole(
    answer: dict[str, Any], opens: bool
) -> None:
    out = Out(opens)

    async def script(wire: Wire) -> None:
        head, body = sized(wire, **answer)
        for start in range(0, len(head + body), 20_000):
            await wire.say((head + body)[start : start + 20_000])

    outcome = await carried(script, out)
    assert not outcome.carried and out.members == b""
    if "result" in answer:
        assert outcome.result == answer["result"]
    else:
        assert outcome.error is not None
        assert outcome.error.message == answer["error"]["message"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_is_nested_deep_and_odd_goes_on_whole_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    monkeypatch.setattr("gateway.wire.json_walk.STEPS", 50)
    odd = [[[{"a": [[["\ud800" + "x" * 200]]]}]]] * 6_000
    out, turns, goes, feed = Out(), 0, list[int](), Sift.feed

    def fed(sift: Sift, data: bytes) -> bytes:
        if not data:
            goes.append(turns)
        return feed(sift, data)

    monkeypatch.setattr(Sift, "feed", fed)

    async def script(wire: Wire) -> None:
        result = {"content": odd, "isError": False}
        if streamed:
            event = wire.event(result)
            await wire.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
            await wire.say(b"Transfer-Encoding: chunked\r\n\r\n" + chunk(event))
        else:
            await wire.say(b"".join(sized(wire, result=result)))

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    others = asyncio.create_task(other())
    outcome = await carried(script, out)
    others.cancel()
    assert (outcome.kind, outcome.carried, outcome.result) == ("ok", True, {"isError": False})
    assert json.loads(b"{" + out.members + b"}") == {"content": odd}
    assert len(goes) > 20 and len(set(goes)) == len(goes)


def chunk(data: bytes) -> bytes:
    """In chunked coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LONG = "".join(f"{number} \\ \u00e9 {'x' * 900}\n" for number in range(2_000))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("room", [(), (True, False, True, False, False)])
async def test_what_goes_on_while_it_comes_is_all_of_it_and_once(
    room: tuple[bool, ...], streamed: bool
) -> None:
    out = Out(room=room)

    async def script(wire: Wire) -> None:
        result = {"content": TEXT + LONG, "isError": False}
        if streamed:
            event, head = wire.event(result), b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream"
            await wire.say(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(event), 65_537):
                await wire.say(chunk(event[start : start + 65_537]))
        else:
            whole = b"".join(sized(wire, result=result))
            for start in range(0, len(whole), 65_537):
                await wire.say(whole[start : start + 65_537])

    outcome = await carried(script, out)
    assert (outcome.kind, outcome.carried, outcome.result) == ("ok", True, {"isError": False})
    assert json.loads(b"{" + out.members + b"}") == {"content": TEXT + LONG}
    assert out.added > 0


@pytest.mark.parametrize("lie", [b"\n", b"\xff", b'",]', b"\\x"])
async def test_of_a_text_that_lies_on_the_way_nothing_goes_on_from_the_lie_on(lie: bytes) -> None:
    out = Out()

    async def script(wire: Wire) -> None:
        head, body = sized(wire, result={"content": 4 * TEXT, "isError": False})
        middle = len(body) // 2
        await wire.say(head + body[:middle])
        await wire.say(lie + b"y" * 2_000 + body[middle + 2_000 + len(lie) :])

    outcome = await carried(script, out)
    assert outcome.kind == "in_doubt" and not outcome.carried
    assert b"y" not in out.members


class Late(Out):
    """An outlet that opens when all has been sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = asyncio.Event()

    async def begin(self) -> bool:
        await super().begin()
        await self.sent.wait()
        return True


async def test_of_pieces_that_are_there_together_none_goes_on_from_behind_the_answers_event() -> (
    None
):
    out, text = Late(), "x" * (HIGH_WATER - LARGE // 2)

    async def script(wire: Wire) -> None:
        event = wire.event({"content": text, "isError": False})
        await wire.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        await wire.say(b"Transfer-Encoding: chunked\r\n\r\n" + chunk(event[: LARGE + 2_000]))
        await out.begun.wait()
        await wire.say(chunk(event[LARGE + 2_000 :]) + chunk(b"data: behind it\n\n"))
        out.sent.set()

    outcome = await carried(script, out)
    assert (outcome.kind, outcome.carried, outcome.result) == ("ok", True, {"isError": False})
    assert json.loads(b"{" + out.members + b"}") == {"content": text}


async def test_a_comment_that_is_large_is_no_answer_that_goes_on() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        for piece in (b":" + TEXT.encode(), b"x\n\n"):
            await wire.say(piece)
            await asyncio.sleep(0.05)  # so that it is read by itself
        await wire.say(wire.event({"content": [], "truth": 1}))

    outcome = await carried(script, Out())
    assert outcome.result == {"content": [], "truth": 1}


@pytest.mark.parametrize("end", [b"\n\n", b'"}}\n\n', b"\ndata: }\n\n"])
async def test_the_end_of_an_event_is_heard_however_it_comes_on_a_stream_that_stays_open(
    end: bytes,
) -> None:
    out = Out()
    body = end.removeprefix(b"\ndata: ").strip()

    async def script(wire: Wire) -> None:
        event = wire.event({"isError": False, "content": TEXT}).strip().removesuffix(body)
        await wire.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        await wire.say(b"Transfer-Encoding: chunked\r\n\r\n" + chunk(event))
        while len(out.members) < len(TEXT):
            await asyncio.sleep(0)
        await wire.say(chunk(end))

    outcome = await carried(script, out)
    assert (outcome.kind, outcome.carried, outcome.result) == ("ok", True, {"isError": False})
    assert json.loads(b"{" + out.members + b"}") == {"content": TEXT}


@pytest.mark.parametrize(
    "behind",
    [b"\n:" + b"c" * (64 * 1024 + 1), b"\ndata: x\n\n", b"\n\n"],
    ids=["field", "more", "cut"],
)
async def test_an_event_that_breaks_on_the_way_is_no_answer(behind: bytes) -> None:
    out = Out()

    async def script(wire: Wire) -> None:
        event = wire.event({"isError": False, "content": 3 * TEXT})[: -len(TEXT)]
        await wire.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        await wire.say(b"Transfer-Encoding: chunked\r\n\r\n" + chunk(event))
        while len(out.members) < len(TEXT):
            await asyncio.sleep(0)
        await wire.say(chunk(behind) + chunk(behind))

    outcome = await carried(script, out)
    assert outcome.kind == "in_doubt" and not outcome.carried
