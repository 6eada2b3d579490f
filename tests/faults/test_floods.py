"""More than anybody should send: the gateway's memory stays bounded, and the others are served meanwhile.

Bounds are on the growth of the process's peak resident memory (Linux: VmHWM), against what it was
before the flood. For what agents send: 48 MiB, however much it was. For what a tool server sends: that
and one message of the largest size that is held whole (`settings.MAX_WHOLE`).
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import psutil
import pytest
from anyio.from_thread import start_blocking_portal

from gateway.core.model import Endpoint
from gateway.settings import MAX_WHOLE
from tests.servers.http_raw import Wire, raw_server
from tests.system.home import Home, Serving, everybody
from tests.system.raw import JSON, STATELESS, Ask, enveloped, headers_for, over_http

MIB: Final = 1024 * 1024
FROM_AGENTS: Final = 48 * MIB
FROM_SERVERS: Final = FROM_AGENTS + MAX_WHOLE
SERVER: Final = str(Path(__file__).with_name("flooding_server.py"))
SECONDS: Final = 120

TIERS: Final = """\
servers:
  web:
    tools:
      "*": {tier: data, effect: read}
  pipe:
    tools:
      "*": {tier: data, effect: read}
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peaks are told by Linux only"
)


async def web(wire: Wire) -> None:
    """An HTTP tool server: `echo` answers; `bomb` is small on the wire and 256 MiB unpacked; `endless` never ends."""
    request = wire.request.rpc
    if request["method"] != "tools/call":
        await wire.answer(about(request["method"]))
    elif request["params"]["name"] == "bomb":
        packed = bomb()
        head = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"
        await wire.say(f"HTTP/1.1 200 OK\r\n{head}Content-Length: {len(packed)}\r\n\r\n".encode())
        await wire.say(packed)
    elif request["params"]["name"] == "endless":
        await wire.say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            await wire.say(b'{"jsonrpc": "2.0", "result": "' + b"x" * MIB)
    else:
        await wire.answer({"content": [], "resultType": "complete"})


def about(method: str) -> JSON:
    if method == "tools/list":
        return {"tools": [{"name": n, "inputSchema": {}} for n in ("echo", "bomb", "endless")]}
    return {"supportedVersions": [STATELESS], "capabilities": {"tools": {}}}


def bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b" " * MIB) for _ in range(256)) + packer.flush()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(raw_server(web)) as (url, _):
            home = Home.make(
                tmp_path_factory.mktemp("floods") / "home",
                {"web": {"url": url}, "pipe": {"command": [sys.executable, "-S", SERVER]}},
                policy=everybody([("data", "web"), ("data", "pipe")]),
                tiers=TIERS,
            )
            home.approve("web", "pipe")
            with home.serving() as serving:
                yield serving


def token(serving: Serving) -> str:
    return serving.home.mint("tester", Endpoint("all"))


@asynccontextmanager
async def agent(serving: Serving) -> AsyncIterator[Ask]:
    async with over_http(f"{serving.origin}/mcp", token(serving), STATELESS) as ask:
        yield ask


def tool(name: str, **arguments: Any) -> tuple[str, JSON]:
    return "tools/call", {"name": name, "arguments": arguments}


def peak(process: psutil.Process) -> int:
    """The most it ever held, or since `forget_peak`, in bytes."""
    [line] = [
        line
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) * 1024


def forget_peak(process: psutil.Process) -> int:
    """Start over from what it holds now, which is returned."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    held: int = process.memory_info().rss
    return held


OTHERS: Final = ("web__echo", "pipe__echo")


async def flooded(
    serving: Serving, flood: Callable[[], Awaitable[None]], others: tuple[str, ...] = OTHERS
) -> tuple[int, int]:
    """How much memory grew by a flood, and how many calls of others were served while it came in."""
    process = psutil.Process(serving.process.pid)
    served = 0
    with anyio.fail_after(SECONDS):
        async with agent(serving) as ask:
            for name in OTHERS:
                assert "result" in await ask(*tool(name))
            before = forget_peak(process)
            coming = asyncio.ensure_future(flood())
            while not coming.done():
                for name in others:
                    answer = await ask(*tool(name))
                    assert "result" in answer, answer
                    served += not coming.done()
            await coming
            for name in OTHERS:
                assert "result" in await ask(*tool(name))
    return peak(process) - before, served


class Post:
    """One POST, written by hand, so that its body can be anything."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def begin(cls, serving: Serving, bearer: str | None, framing: str) -> Post:
        port = serving.home.port
        post = cls(*await asyncio.open_connection("127.0.0.1", port))
        headers = headers_for(bearer, STATELESS, "tools/list", {})
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = [f"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:{port}", *lines, framing, "", ""]
        post._writer.write("\r\n".join(head).encode())
        return post

    async def say(self, data: bytes) -> bool:
        """False when nobody listens any more."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            return False
        return True

    async def chunks(self, piece: bytes, count: int) -> int:
        """How many of these pieces were taken."""
        framed = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        for number in range(count):
            if self._reader.at_eof() or not await self.say(framed):
                return number
        return count

    async def status(self) -> int:
        """What it was answered; 0 if the connection was cut."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            line = b""
        finally:
            self.close()
        return int(line.split()[1]) if line else 0

    def close(self) -> None:
        self._writer.close()


async def test_bodies_of_64_mib_are_refused_and_not_held(serving: Serving) -> None:
    statuses: list[int] = []

    async def declared(bearer: str | None) -> None:
        post = await Post.begin(serving, bearer, f"content-length: {64 * MIB}")
        statuses.append(await post.status())

    async def undeclared() -> None:
        post = await Post.begin(serving, token(serving), "transfer-encoding: chunked")
        taken = await post.chunks(b" " * MIB, 64)
        status = await post.status()
        # A connection that is cut with unread bytes in it may take its answer with it.
        statuses.append(413 if taken < 64 and status == 0 else status)

    async def flood() -> None:
        async with asyncio.TaskGroup() as posts:
            for _ in range(8):
                posts.create_task(declared(token(serving)))
                posts.create_task(declared(None))
                posts.create_task(undeclared())

    grown, _ = await flooded(serving, flood)
    assert sorted(statuses) == [401] * 8 + [413] * 16
    assert grown < FROM_AGENTS


async def test_bodies_a_hundred_thousand_deep_are_refused(serving: Serving) -> None:
    statuses: list[int] = []
    deep = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":' + b'{"a":' * 100_000

    async def one() -> None:
        body = deep + b"1" + b"}" * 100_001
        post = await Post.begin(serving, token(serving), f"content-length: {len(body)}")
        await post.say(body)
        statuses.append(await post.status())

    async def flood() -> None:
        async with asyncio.TaskGroup() as posts:
            for _ in range(20):
                posts.create_task(one())

    grown, _ = await flooded(serving, flood)
    # Too many values or too deep, whichever is seen first.
    assert set(statuses) <= {400, 413} and len(statuses) == 20
    assert grown < FROM_AGENTS


async def test_bodies_that_never_come_hold_up_nobody(serving: Serving) -> None:
    held: list[Post] = []
    rest = enveloped("tools/list", {}, 1)

    async def flood() -> None:
        for _ in range(200):
            post = await Post.begin(serving, token(serving), "content-length: 100000")
            await post.say(str(rest).encode()[:50])
            held.append(post)

    grown, _ = await flooded(serving, flood)
    async with agent(serving) as ask:
        answer = await ask(*tool("web__echo"))
    for post in held:
        post.close()
    assert "result" in answer
    assert grown < FROM_AGENTS


async def test_a_gzip_bomb_from_a_tool_server_is_not_unpacked(serving: Serving) -> None:
    answers: list[JSON] = []

    async def flood() -> None:
        async with agent(serving) as ask:
            answers.append(await ask(*tool("web__bomb")))

    grown, _ = await flooded(serving, flood)
    assert answers[0]["error"]["data"]["reason"] == "outcome_unknown"
    assert grown < FROM_AGENTS


async def test_an_answer_without_end_is_cut_off(serving: Serving) -> None:
    answers: list[JSON] = []

    async def flood() -> None:
        async with agent(serving) as ask:
            answers.append(await ask(*tool("web__endless")))

    grown, served = await flooded(serving, flood)
    assert answers[0]["error"]["data"]["reason"] == "outcome_unknown"
    assert served > 0
    assert grown < FROM_SERVERS


@pytest.mark.parametrize("where", ["first", "last", "nowhere"])
async def test_a_line_of_300_mb_is_passed_over(serving: Serving, where: str) -> None:
    """Its call fails, and the server goes on. A line that does not say whose answer it is fails all of its calls."""
    answers: list[JSON] = []

    async def flood() -> None:
        async with agent(serving) as ask:
            answers.append(await ask(*tool("pipe__line", bytes=300_000_000, id=where)))

    grown, served = await flooded(serving, flood, ("web__echo",))
    assert answers[0]["error"]["data"]["reason"] == "outcome_unknown"
    assert served > 0
    assert grown < FROM_SERVERS
