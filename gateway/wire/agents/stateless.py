"""The stateless era (2026-07-28): one POST, one answer, nothing remembered in between.

A client that goes away has cancelled its request. A notification is acknowledged and dropped: this
era defines none over HTTP.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from gateway.core.model import (
    Answer,
    ClientFacts,
    Endpoint,
    Era,
    JsonObject,
    Request,
    RpcError,
    WorkloadIdentity,
)
from gateway.ports import Gate, Outlet
from gateway.sdk import PROTOCOL_VERSION_META_KEY, inbound
from gateway.values import replace
from gateway.wire import loglevels, sse
from gateway.wire.agents import hello, mirrored
from gateway.wire.agents.advertised import advertises
from gateway.wire.agents.answering import body_of, overloaded, status_of
from gateway.wire.agents.attending import Attending, Quiet
from gateway.wire.agents.exchange import Exchange, Gone, Header, Reply
from gateway.wire.agents.large import LargeAnswer
from gateway.wire.agents.lazystream import LazyStream
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.listening import LISTEN, answered
from gateway.wire.agents.messages import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Call,
    Message,
    Note,
    error_body,
    notification_body,
    rejected,
)
from gateway.wire.agents.session import Owner, owner_of
from gateway.wire.asking import cannot_ask

Send = Callable[[bytes], Awaitable[object]]
"""Carries one message to the agent. Raises `Gone`."""
SchemaOf = Callable[[Endpoint, str], JsonObject | None]
"""The input schema an endpoint advertises for a tool, by the tool's name there; None when it has none."""


class StatelessChannel:
    """The way back while one request is open: notifications only. This era's servers ask by result."""

    def __init__(self, send: Send, level: str | None, outlet: Outlet | None = None) -> None:
        """`level`: the least severe log message that was asked for."""
        self._send = send
        self.outlet = outlet
        self._log_floor = level

    async def notify(self, method: str, params: JsonObject) -> None:
        """On the request's own stream. Log messages only if the request asked for them."""
        if method == loglevels.MESSAGE and self._log_floor is None:
            return
        if not loglevels.heard(method, params, self._log_floor or "debug"):
            return
        try:
            await self._send(notification_body(method, params))
        except Gone:
            return

    async def ask(self, method: str, params: JsonObject) -> Answer:
        """Never: the client of a stateless request has no ear for requests."""
        return cannot_ask(f"{method}: a {Era.STATELESS} client takes no requests")


class Stateless:
    """Serves this era's messages of identified callers."""

    def __init__(self, gate: Gate, schema_of: SchemaOf, limits: Limits) -> None:
        self._gate = gate
        self._schema_of = schema_of
        self._limits = limits
        self._quiet = Quiet(limits)
        self.over = asyncio.Event()
        """Set when the gateway is about to stop: what listens ends with a result."""
        self._listens: Counter[Owner] = Counter()

    async def serve(
        self, exchange: Exchange, endpoint: Endpoint, identity: WorkloadIdentity, message: Message
    ) -> None:
        """Answer one message. Raises `Rejected`, and `Gone` when nobody is left to answer to."""
        if isinstance(message, Note):
            await self._note(exchange, message)
        elif isinstance(message, Call):
            await self._call(exchange, endpoint, identity, message)
        else:
            raise rejected(400, INVALID_REQUEST, "this era asks clients nothing: no responses here")

    async def _note(self, exchange: Exchange, note: Note) -> None:
        meta = note.params.get("_meta")
        named = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
        version = exchange.head.get("mcp-protocol-version") or str(named)
        unsupported = inbound.unsupported_protocol_version_rejection(version)
        if unsupported is None:
            await exchange.reply(Reply(202))
            return
        error = RpcError(unsupported.code, unsupported.message, unsupported.data, has_data=True)
        await exchange.reply(Reply(400, error_body(None, error)))

    async def _call(
        self, exchange: Exchange, endpoint: Endpoint, identity: WorkloadIdentity, call: Call
    ) -> None:
        try:
            request = await self._request(exchange, endpoint, identity, call)
        except mirrored.Mismatch as mismatch:
            answer = Answer(error=mismatch.error)
            await exchange.reply(Reply(status_of(answer), error_body(call.id, mismatch.error)))
            return
        if request.method != LISTEN:
            await self._carry(exchange, request)
            return
        owner = owner_of(identity)
        if self._listens[owner] >= self._limits.max_listens_each:
            raise overloaded()
        self._listens[owner] += 1
        try:
            await self._carry(exchange, request)
        finally:
            self._listens[owner] -= 1
            if not self._listens[owner]:
                del self._listens[owner]

    async def _carry(self, exchange: Exchange, request: Request) -> None:
        stream = LazyStream(exchange, self._limits.write_seconds)
        large = LargeAnswer(stream, request.id)
        answer = await self._answer(exchange, request, stream, large)
        if large.begun:
            await large.end(answer)
        else:
            await stream.end(body_of(request, answer), status_of(answer))

    async def _request(
        self, exchange: Exchange, endpoint: Endpoint, identity: WorkloadIdentity, call: Call
    ) -> Request:
        facts = mirrored.client_facts(call, exchange.head)
        schema = self._schema(endpoint, call)
        try:
            extra = mirrored.param_headers(call, exchange.head, schema)
        except mirrored.Mismatch:
            request = stateless_request(endpoint, identity, call, facts)
            if await advertises(self._gate, request):
                raise
            # What this caller is not shown must not answer differently from what does not exist.
            return request
        return stateless_request(endpoint, identity, call, facts, extra)

    def _schema(self, endpoint: Endpoint, call: Call) -> JsonObject | None:
        name = call.params.get("name")
        if call.method != "tools/call" or not isinstance(name, str):
            return None
        return self._schema_of(endpoint, name)

    async def _answer(
        self, exchange: Exchange, request: Request, stream: LazyStream, large: LargeAnswer
    ) -> Answer:
        own = own_answer(self._gate, request)
        if own is not None:
            return own
        channel = StatelessChannel(
            lambda body: stream.send(sse.encode(body)), request.client.log_level, large
        )
        with Attending(exchange, stream, self._quiet):
            return await answered(self._gate, request, channel, self.over)


def stateless_request(
    endpoint: Endpoint,
    identity: WorkloadIdentity,
    call: Call,
    facts: ClientFacts,
    extra: tuple[Header, ...] = (),
) -> Request:
    """One stateless request for the gate: params untouched. `extra`: headers for the server alone."""
    level = loglevels.requested(call.params)
    if level is not None:
        facts = replace(facts, log_level=level)
    return Request(
        endpoint,
        identity,
        Era.STATELESS,
        call.id,
        call.method,
        call.params,
        facts,
        extra_headers=extra,
    )


def own_answer(gate: Gate, request: Request) -> Answer | None:
    """The wire's own methods: discovery, and those this era no longer has. None: the gate's."""
    if request.method == "server/discover":
        return Answer(hello.discovered(gate.about(request.endpoint, request.identity)))
    if request.method in hello.REMOVED:
        return Answer(error=RpcError(METHOD_NOT_FOUND, f"Method not found: {request.method}"))
    return None
