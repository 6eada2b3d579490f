"""The stateless era (2026-07-28): one POST, one answer, nothing remembered in between.

A client that goes away has cancelled its request. A notification is acknowledged and dropped: this
era defines none over HTTP.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from gateway.core.frame import MEMBERS
from gateway.core.model import (
    Answer,
    ClientFacts,
    Endpoint,
    JsonObject,
    Request,
    RpcError,
    WorkloadIdentity,
)
from gateway.core.resolve import Table
from gateway.core.settle import METHOD_NOT_FOUND
from gateway.ports import Gate
from gateway.sdk import PROTOCOL_VERSION_META_KEY, inbound
from gateway.wire import loglevels
from gateway.wire.agents import hello, mirrored
from gateway.wire.agents.admitted import Admitted
from gateway.wire.agents.advertised import advertises
from gateway.wire.agents.answering import body_of, overloaded, raised, status_for, status_of
from gateway.wire.agents.exchange import Exchange, Reply
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.listening import listen
from gateway.wire.agents.messages import (
    INVALID_REQUEST,
    Call,
    Message,
    Note,
    Response,
    error_body,
    notification_body,
    rejected,
)
from gateway.wire.agents.posted import Posted, unasked
from gateway.wire.agents.quiet import Quiet
from gateway.wire.methods import LISTEN
from gateway.wire.shape import STATELESS

APART: Final = hello.REMOVED | {"server/discover", LISTEN}
"""Methods that are not simply the gate's to answer."""
Send = Callable[[bytes], Awaitable[object]]
"""Carries one message to the agent. Raises `Gone`."""


class Advertised(Protocol):
    """The catalogue, as far as this era asks it: which headers a tool's schema declares."""

    @property
    def current(self) -> Table: ...


class StatelessChannel:
    """The way back while one request is open, where there is one for all: notifications only."""

    def __init__(self, send: Send, level: str | None) -> None:
        """`level`: the least severe log message that was asked for."""
        self._send = send
        self._log_floor = level

    async def notify(self, method: str, params: JsonObject) -> None:
        """Log messages only if the request asked for them."""
        if loglevels.heard(method, params, self._log_floor):
            await self._send(notification_body(method, params))

    async def ask(self, method: str, params: JsonObject) -> Answer:
        """Never: the client of a stateless request has no ear for requests."""
        return unasked(method)


class Stateless:
    """Serves this era's messages of identified callers."""

    def __init__(self, gate: Gate, catalogue: Advertised, limits: Limits) -> None:
        self._gate = gate
        self._catalogue = catalogue
        self._limits = limits
        self._quiet = Quiet(min(limits.quiet_stateless, limits.keep_alive))
        self.over = asyncio.Event()
        """Set when the gateway is about to stop: what listens ends with a result."""
        self._listens: Counter[str] = Counter()

    async def post(
        self, exchange: Exchange, admitted: Admitted, identity: WorkloadIdentity, message: Message
    ) -> None:
        """Answer one message. Raises `Rejected`, and `Gone` when nobody is left to answer to."""
        if not isinstance(message, Call):
            await self._note(exchange, message)
            return
        try:
            request = self._request(admitted, identity, message)
        except mirrored.Mismatch as mismatch:
            hidden = await self._hidden(mismatch, admitted, identity, message)
            if hidden is None:
                body = error_body(message.id, mismatch.error)
                await exchange.reply(Reply(status_for(mismatch.error), body))
                return
            request = hidden
        posted = Posted(exchange, self._quiet, request, self._limits)
        if request.method in APART:
            answer = await self._apart(request, posted)
        else:
            with posted:
                try:
                    answer = await self._gate.answer(request, posted)
                except Exception:
                    answer = raised(request)
        if posted.stream is not None:
            await posted.end(answer)
            return
        body = body_of(request, answer)
        if answer.http_status != 200 or answer.error is not None or not exchange.put(body):
            await exchange.reply(Reply(status_of(request, answer), body))

    async def _note(self, exchange: Exchange, note: Note | Response) -> None:
        if isinstance(note, Response):
            raise rejected(400, INVALID_REQUEST, "this era asks clients nothing: no responses here")
        meta = note.params.get("_meta")
        named = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
        version = exchange.head.get("mcp-protocol-version") or str(named)
        unsupported = inbound.unsupported_protocol_version_rejection(version)
        if unsupported is None:
            await exchange.reply(Reply(202))
            return
        error = RpcError(unsupported.code, unsupported.message, unsupported.data, has_data=True)
        await exchange.reply(Reply(400, error_body(None, error)))

    def _request(self, admitted: Admitted, identity: WorkloadIdentity, call: Call) -> Request:
        """Raises `Mismatch`."""
        agreed = mirrored.agreed(call, admitted, self._catalogue.current)
        params = {**call.params, "_meta": agreed.meta}
        # With a frame it has a name and an envelope: what else is there?
        is_framed = len(params) == MEMBERS and "arguments" in params
        return Request(
            admitted.endpoint,
            identity,
            STATELESS,
            call.id,
            call.method,
            params,
            agreed.facts,
            extra_headers=agreed.extra,
            frame=agreed.frame if is_framed else None,
        )

    async def _hidden(
        self,
        mismatch: mirrored.Mismatch,
        admitted: Admitted,
        identity: WorkloadIdentity,
        call: Call,
    ) -> Request | None:
        """What this caller is not shown must not answer differently from what does not exist."""
        if not isinstance(mismatch, mirrored.ParamMismatch):
            return None
        facts = mirrored.client_facts(call, admitted)
        request = stateless_request(admitted.endpoint, identity, call, facts)
        return None if await advertises(self._gate, request) else request

    async def _apart(self, request: Request, posted: Posted) -> Answer:
        """What is not a question to the gate alone. Raises `Rejected`, `Gone`."""
        await self._gate.met(request.endpoint, request.identity)
        own = own_answer(self._gate, request)
        if own is not None:
            return own
        owner = request.identity.owner
        if self._listens[owner] >= self._limits.max_listens_each:
            raise overloaded()
        self._listens[owner] += 1
        try:
            with posted:
                return await listen(self._gate, request, posted, self.over)
        finally:
            self._listens[owner] -= 1
            if not self._listens[owner]:
                del self._listens[owner]


def stateless_request(
    endpoint: Endpoint,
    identity: WorkloadIdentity,
    call: Call,
    facts: ClientFacts,
) -> Request:
    """One stateless request for the gate: params untouched."""
    return Request(
        endpoint,
        identity,
        STATELESS,
        call.id,
        call.method,
        call.params,
        facts,
    )


def own_answer(gate: Gate, request: Request) -> Answer | None:
    """The wire's own methods: discovery, and those this era no longer has. None: the gate's."""
    if request.method == "server/discover":
        return Answer(hello.discovered(gate.about(request.endpoint, request.identity)))
    if request.method in hello.REMOVED:
        return Answer(error=RpcError(METHOD_NOT_FOUND, f"Method not found: {request.method}"))
    return None
