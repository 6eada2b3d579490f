"""A session with an HTTP+SSE server of 2024-11-05, as a pair of pipes: the stream of one GET says what the server
says, and each message to it is a POST to the address that the stream named first.

Answers come on the stream and are matched by their ids, as over stdio. What was posted when the stream ends is in
doubt, and so is everything when a message cannot be posted: the server may have lost the session. It knows no
JSON-RPC. Spec: 2024-11-05 basic/transports, HTTP with SSE.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import urljoin

from gateway.core.credential import Credential
from gateway.settings import ServerLimits
from gateway.values import Value
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_link import UNAUTHORIZED, answered
from gateway.wire.servers.http_pool import Address, Pool, address
from gateway.wire.servers.http_reply import Reply
from gateway.wire.servers.http_request import Headers, Requests, lines
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.running import Running
from gateway.wire.servers.sse_events import Events, Said
from gateway.wire.servers.stdio_lines import Heard, Overlong
from gateway.wire.servers.vigil import FOREVER

HIGH_WATER: Final = 256 * 1024
"""Bytes that wait to be posted above which a next message waits elsewhere."""
HELD: Final = 1.0
"""Seconds in which a message is posted before the next one goes. Some servers answer a POST when the call is over."""
MOST_HELD: Final = 64
LONGEST: Final = 2_048
"""Characters of the address that a stream names."""
SHOWN: Final = 200


class Way(Value):
    """How to reach one server."""

    url: str
    address: Address
    headers: Headers
    """The operator's own."""
    pool: Pool
    limits: ServerLimits

    async def session(
        self,
        longest: int,
        attach: Callable[[Running], Heard],
        credential: Credential | None = None,
    ) -> Session:
        """See `running.Start`. Raises `NotSent`, `Broken`."""
        proof = b"" if credential is None else lines(credential.headers)
        patience = Patience(self.limits.first_byte, FOREVER, FOREVER)
        asked = Requests(self.address, self.headers).get(proof)
        reply = await self.pool.send(asked, patience)
        try:
            _check(reply, credential)
            events = Events(longest)
            named, *early = await _first(reply, events)
            to = Requests(_endpoint(self.url, self.address, named, credential), self.headers)
        except BaseException:
            reply.close()
            raise
        post = Post(self.pool, to, proof, self.limits, credential)
        return Session(post, reply, events, early, attach)


class Post(Value):
    """Where its messages go."""

    pool: Pool
    to: Requests
    proof: bytes
    limits: ServerLimits
    credential: Credential | None

    async def send(self, line: bytes) -> None:
        """One message. Raises `NotSent`, `Broken`."""
        seconds = self.limits.total
        patience = Patience(seconds, seconds, asyncio.get_running_loop().time() + seconds)
        reply = await self.pool.send(self.to.post(self.proof, line), patience)
        try:
            _check(reply, self.credential)
        except NotSent:
            reply.close()
            raise
        reply.drain()


class Session:
    """`running.Running`. Begins to read when it is made."""

    pid = None
    last_words = ""
    is_over = False
    """What the server does after its stream has ended nobody knows."""

    def __init__(
        self,
        post: Post,
        reply: Reply,
        events: Events,
        early: list[Said],
        attach: Callable[[Running], Heard],
    ) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.stopping = False
        self._post, self._reply, self._events = post, reply, events
        self._waiting: deque[bytes] = deque()
        self._posted: set[asyncio.Task[None]] = set()
        """What was posted and is not answered yet."""
        self._bytes = 0
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._heard = attach(self)
        works = (self._read(early), self._write())
        self._works = [asyncio.ensure_future(self._until_its_end(work)) for work in works]

    def write(self, line: bytes) -> bool:
        """One message, posted after those before it. False if the session has ended."""
        if self.ended.done():
            return False
        self._waiting.append(line)
        self._bytes += len(line)
        self._news.set()
        if self._bytes > HIGH_WATER:
            self._room.clear()
        return True

    def has_room(self) -> bool:
        """See `process.Process`."""
        return self._room.is_set()

    async def room(self) -> None:
        """See `process.Process`."""
        await self._room.wait()

    async def over(self) -> None:
        """See `process.Process`."""
        await asyncio.wait([self.ended])

    def shown(self, line: bytes | Overlong) -> str:
        """See `process.Process`."""
        credential = self._post.credential
        said = ascii(line.start if isinstance(line, Overlong) else line)
        return (credential.hide(said) if credential is not None else said)[:SHOWN]

    async def stop(self) -> None:
        """Close the stream: so the server hears that nobody is there any more."""
        self.stopping = True
        self._end("it was closed")
        await asyncio.wait([*self._works, *self._posted])

    async def _until_its_end(self, work: Coroutine[Any, Any, str]) -> None:
        try:
            self._end(await work)
        except (NotSent, Broken) as error:
            self._end(str(error))

    async def _read(self, early: list[Said]) -> str:
        for event in early:
            self._say(event)
        while piece := await self._reply.read():
            for event in self._events.feed(piece):
                self._say(event)
        return "its stream ended"

    def _say(self, event: Said) -> None:
        if event.name == "message" and event.data:
            self._heard(event.data)

    async def _write(self) -> str:
        while True:
            while self._waiting:
                line = self._waiting.popleft()
                posted = asyncio.ensure_future(self._post.send(line.rstrip(b"\n")))
                self._posted.add(posted)
                posted.add_done_callback(self._answered)
                await asyncio.wait([posted], timeout=HELD)
                while len(self._posted) >= MOST_HELD:
                    await asyncio.wait(self._posted, return_when=asyncio.FIRST_COMPLETED)
                self._bytes -= len(line)
                if self._bytes <= HIGH_WATER:
                    self._room.set()
            self._news.clear()
            await self._news.wait()

    def _answered(self, posted: asyncio.Task[None]) -> None:
        self._posted.discard(posted)
        if not posted.cancelled() and (error := posted.exception()) is not None:
            self._end(str(error))

    def _end(self, how: str) -> None:
        if not self.ended.done():
            self.ended.set_result(how)
        self._room.set()
        self._reply.close()
        for work in (*self._works, *self._posted):
            work.cancel()


async def _first(reply: Reply, events: Events) -> list[Said]:
    """What came up to and with the first event."""
    while piece := await reply.read():
        if said := list(events.feed(piece)):
            return said
    raise NotSent("its stream ended before it named an address")


def _check(reply: Reply, credential: Credential | None) -> None:
    status = reply.head.status
    if status == UNAUTHORIZED and credential is not None:
        credential.turned_away.say()
    if not 200 <= status < 300:
        raise NotSent(answered(reply))


def _endpoint(url: str, own: Address, named: Said, credential: Credential | None) -> Address:
    """The address that the stream named, at the server's own origin: what goes there may be anybody's secret."""
    said = "" if isinstance(named.data, Overlong) else named.data.decode("utf-8", "replace")
    if named.name != "endpoint" or not 0 < len(said) <= LONGEST:
        raise NotSent(
            "its stream does not begin with an endpoint: it is none of HTTP+SSE (2024-11-05)"
        )
    # Its query names a session, and it may repeat what it was sent.
    hide = str if credential is None else credential.hide
    shown = ascii(hide(said).partition("?")[0][:SHOWN])
    try:
        there = address(urljoin(url, said))
    except ValueError as error:
        raise NotSent(f"its endpoint {shown} is no address: {hide(str(error))}") from None
    if (there.tls, there.host, there.port) != (own.tls, own.host, own.port):
        raise NotSent(f"its endpoint {shown} is at another origin, where nothing is sent")
    return there
