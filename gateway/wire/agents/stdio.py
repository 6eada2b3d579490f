"""One agent over standard input and output: either era on one process, one JSON-RPC message per line.

The end of the input ends everything in work. A cancelled request is not answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.core.model import (
    Answer,
    Endpoint,
    Era,
    Evidence,
    JsonObject,
    Request,
    RequestId,
    RpcError,
    WorkloadIdentity,
)
from gateway.core.over import always
from gateway.errors import Refused
from gateway.finishing import begin, until
from gateway.ports import Channel, Gate
from gateway.reasons import Reason
from gateway.settings import RequestLimits
from gateway.wire.agents import hello, listening, mirrored
from gateway.wire.agents.answering import ask_gate, body_of, gateway_error
from gateway.wire.agents.challenges import NOT_NOW
from gateway.wire.agents.era import is_stateless
from gateway.wire.agents.exchange import Rejected, Reply
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.lines import TooLong, Wire, lines
from gateway.wire.agents.messages import (
    INVALID_REQUEST,
    Call,
    Message,
    Note,
    error_body,
    notification_body,
    parse,
    refusal,
    rejected,
    result_body,
)
from gateway.wire.agents.replay import Budget, Shelf
from gateway.wire.agents.session import Session
from gateway.wire.agents.sessionchannel import SessionChannel
from gateway.wire.agents.sessions import note, own_answer, session_request, settle
from gateway.wire.agents.stateless import StatelessChannel, stateless_request
from gateway.wire.agents.stateless import own_answer as own_stateless_answer
from gateway.wire.methods import LISTEN, SUBSCRIBE, UNSUBSCRIBE

MAX_UNTOLD: Final = 8 * 1024 * 1024
"""Bytes of what it is told unasked that may wait for an agent that does not read. More is dropped."""

Who = Evidence | WorkloadIdentity
"""Evidence is verified again for every request, so that a token that expires stops working."""


async def converse(
    gate: Gate, endpoint: Endpoint, who: Who, wire: Wire, bounds: RequestLimits
) -> None:
    """Serve one agent until the input ends or nobody reads the output."""
    talk = Conversation(gate, endpoint, who, wire, bounds)
    try:
        async for line in lines(wire, bounds.max_body):
            await talk.hear(line)
            if talk.abandoned:
                break
    finally:
        await talk.end()


class Conversation:
    """What one agent said so far: at most one session, and the requests in work."""

    def __init__(
        self, gate: Gate, endpoint: Endpoint, who: Who, wire: Wire, bounds: RequestLimits
    ) -> None:
        self._gate = gate
        self._endpoint = endpoint
        self._who = who
        self._wire = wire
        self._bounds = bounds
        self._session: Session | None = None
        self._running: dict[RequestId, asyncio.Task[Answer]] = {}
        self._sending: set[asyncio.Task[bool]] = set()
        self._turn = asyncio.Lock()
        self._untold = 0
        """Bytes of those that nobody asked for."""
        self._over = asyncio.Event()
        self.abandoned = False
        """Nobody reads what is written here."""

    async def append(self, body: bytes) -> bool:
        """One message to the agent; False, and dropped, when it does not read any more."""
        try:
            await self._wire.write(body + b"\n")
        except OSError:
            self.abandoned = True
        return not self.abandoned

    def put(self, body: bytes) -> bool:
        """One message, written as soon as it can be."""
        begin(self._sending, self.append(body))
        return True

    async def _in_turn(self, body: bytes, still: Callable[[], bool]) -> bool:
        """One waits for the host to read; the others wait here, where they can still be dropped."""
        async with self._turn:
            return not still() or await self.append(body)

    def pause(self) -> None:
        """Over one pair of pipes nobody hangs up."""

    async def hear(self, line: bytes | TooLong) -> None:
        """Act on one line."""
        try:
            if isinstance(line, TooLong):
                raise rejected(
                    413, INVALID_REQUEST, "the line is too long", reason=Reason.TOO_LARGE
                )
            bounds = self._bounds
            message = parse(line, max_bytes=bounds.max_body, max_depth=bounds.max_depth)
            await self._act(message)
        except Rejected as no:
            await self.append(no.reply.body)

    async def end(self) -> None:
        """Cancel what is in work and wait until it has stopped."""
        if self._session is not None:
            self._session.end()
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), *self._sending, return_exceptions=True)

    async def _act(self, message: Message) -> None:
        if isinstance(message, Call):
            await self._call(message)
        elif isinstance(message, Note):
            note(self._session, self._running, message)
        elif self._session is not None:
            settle(self._session, message)

    async def _call(self, call: Call) -> None:
        identity = await self._identify(call)
        if call.method in ("initialize", "server/discover"):
            await until(self._wire.over, self._gate.met(self._endpoint, identity))
        stateless = is_stateless(call, None, None)
        if call.method == "initialize" and not stateless:
            await self.append(self._initialize(call, identity))
            return
        request, own = self._request(call, identity)
        if own is not None:
            await self.append(own)
            return
        if call.id in self._running:
            raise rejected(400, INVALID_REQUEST, "a request of that id is in work", id=call.id)
        if len(self._running) >= self._bounds.concurrency:
            await self.append(body_of(request, gateway_error(Reason.OVERLOADED)))
            return
        task = asyncio.ensure_future(self._work(request))
        self._running[call.id] = task
        task.add_done_callback(partial(self._done, request))

    async def _work(self, request: Request) -> Answer:
        channel = self._channel(request)
        if request.method == LISTEN:
            return await listening.listen(self._gate, request, channel, self._over)
        if self._session is not None and request.method in (SUBSCRIBE, UNSUBSCRIBE):
            told = self._tell
            return await listening.subscribed(self._gate, self._session, request, channel, told)
        return await ask_gate(self._gate, request, channel)

    def _tell(self, method: str, params: JsonObject, still: Callable[[], bool] = always) -> None:
        def told(_: object) -> None:
            self._untold -= len(body)

        body = notification_body(method, params)
        has_room = len(self._sending) < listening.most_of(method)
        if has_room and self._untold + len(body) <= MAX_UNTOLD:
            self._untold += len(body)
            begin(self._sending, self._in_turn(body, still)).add_done_callback(told)

    async def _identify(self, call: Call) -> WorkloadIdentity:
        if isinstance(self._who, WorkloadIdentity):
            return self._who
        try:
            return await self._gate.identify(self._who)
        except Refused as no:
            if no.reason is Reason.ISSUER_SILENT:
                raise rejected(503, INVALID_REQUEST, NOT_NOW, id=call.id) from None
            message = "the token is not, or no longer, good for this endpoint"
            raise rejected(401, INVALID_REQUEST, message, id=call.id) from None

    def _initialize(self, call: Call, identity: WorkloadIdentity) -> bytes:
        client = hello.client_of(call.params)
        if isinstance(client, RpcError):
            return error_body(call.id, client)
        if self._session is not None:
            return error_body(call.id, refusal(INVALID_REQUEST, "initialized already"))
        limits = Limits()
        shelf = Shelf(Budget(limits.replay_all), limits)
        self._session = Session(self._endpoint, identity.owner, client, shelf, time.monotonic())
        listening.follow(self._gate, self._session, identity, self._tell)
        return result_body(
            call.id, hello.initialized(self._gate.about(self._endpoint, identity), client)
        )

    def _request(self, call: Call, identity: WorkloadIdentity) -> tuple[Request, bytes | None]:
        """The request, and its answer where that is the wire's own."""
        stateless = is_stateless(call, None, None)
        if self._session is not None and not stateless:
            request = session_request(self._session, identity, call)
            return request, own_answer(self._gate, self._session, identity, call)
        try:
            # Before any initialize, a request without the envelope is told what is missing.
            facts = mirrored.client_facts(call, None)
        except mirrored.Mismatch as mismatch:
            raise Rejected(Reply(400, error_body(call.id, mismatch.error))) from None
        request = stateless_request(self._endpoint, identity, call, facts)
        own = own_stateless_answer(self._gate, request)
        return request, None if own is None else body_of(request, own)

    def _channel(self, request: Request) -> Channel:
        if request.era is Era.STATELESS or self._session is None:
            return StatelessChannel(self.append, request.client.log_level)
        return SessionChannel(self._session, self)

    def _done(self, request: Request, task: asyncio.Task[Answer]) -> None:
        self._running.pop(request.id, None)
        if not task.cancelled():
            self.put(body_of(request, task.result()))
