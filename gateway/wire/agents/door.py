"""One HTTP request to an MCP endpoint, in the order nothing may change: head, identity, body, parse, era.

Nobody who is not identified gets a byte of body read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from gateway.core.model import Endpoint, Era, WorkloadIdentity
from gateway.ports import Gate
from gateway.sdk import MODERN_PROTOCOL_VERSIONS
from gateway.settings import RequestLimits, Settings
from gateway.wire.agents import challenges
from gateway.wire.agents.bodies import body_of
from gateway.wire.agents.checks import check_head, declared_length
from gateway.wire.agents.era import era_of
from gateway.wire.agents.exchange import Exchange, Gone, Head, Rejected
from gateway.wire.agents.inwork import InWork
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import (
    INVALID_REQUEST,
    Message,
    parse,
    rejected,
)
from gateway.wire.agents.session import Sessions, owner_of
from gateway.wire.agents.sessions import SESSION_ID, SessionEra
from gateway.wire.agents.stateless import SchemaOf, Stateless

THREAD_FROM: Final = 32 * 1024
"""Bodies of this many bytes are parsed in a worker thread, so that they do not hold up the others."""

log = logging.getLogger("bulkhead.wire")


class Door:
    """Serves both eras at every endpoint."""

    def __init__(self, gate: Gate, settings: Settings, schema_of: SchemaOf, limits: Limits) -> None:
        self._gate = gate
        self._resource = challenges.Resource.of(settings)
        self._bounds: RequestLimits = settings.limits
        self._limits = limits
        self.sessions = Sessions(limits, time.monotonic)
        self._era_sessions = SessionEra(gate, self.sessions, limits, self._bounds.concurrency)
        self._era_stateless = Stateless(gate, schema_of, limits)
        self._in_work = InWork(self._bounds.concurrency)

    def end_listens(self) -> None:
        """What listens gets its result."""
        self._era_stateless.over.set()

    async def serve(self, endpoint: Endpoint, exchange: Exchange) -> None:
        """Answer one request. Host and Origin have been checked. Never raises for what the caller did."""
        try:
            self.check(exchange.head)
        except Rejected as no:
            await exchange.reply(no.reply)
            return
        await self.serve_admitted(endpoint, exchange)

    def check(self, head: Head) -> None:
        """Everything about a head but whose it is. Raises `Rejected`."""
        check_head(head)

    async def serve_admitted(self, endpoint: Endpoint, exchange: Exchange) -> None:
        """The same for a head that has passed all its checks."""
        try:
            await self._admitted(endpoint, exchange)
        except Rejected as no:
            await exchange.reply(no.reply)
        except Gone:
            return

    async def _admitted(self, endpoint: Endpoint, exchange: Exchange) -> None:
        identity = await challenges.identify(self._gate, exchange, endpoint, self._resource)
        if exchange.head.method == "POST":
            await self._post(endpoint, exchange, identity)
        else:
            await self._session_only(endpoint, exchange, identity)

    async def _session_only(
        self, endpoint: Endpoint, exchange: Exchange, identity: WorkloadIdentity
    ) -> None:
        head = exchange.head
        stateless = head.get("mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS
        if stateless or head.get(SESSION_ID) is None:
            raise rejected(405, INVALID_REQUEST, "use POST", headers=(("allow", "POST"),))
        if head.method == "GET":
            await self._era_sessions.get(exchange, endpoint, identity)
        else:
            await self._era_sessions.delete(exchange, endpoint, identity)

    async def _post(
        self, endpoint: Endpoint, exchange: Exchange, identity: WorkloadIdentity
    ) -> None:
        declared_length(exchange.head, self._bounds.max_body)  # before it counts as work
        owner = owner_of(identity)[:3]  # an agent's share is its own, for how many it may act
        self._in_work.enter(owner)
        try:
            message = await self._message(exchange)
            if self._era(exchange.head, message) is Era.STATELESS:
                await self._era_stateless.serve(exchange, endpoint, identity, message)
            else:
                await self._era_sessions.post(exchange, endpoint, identity, message)
        finally:
            self._in_work.leave(owner)

    def _era(self, head: Head, message: Message) -> Era:
        version, session = head.get("mcp-protocol-version"), head.get(SESSION_ID)
        return era_of(message, version=version, session=session is not None)

    async def _message(self, exchange: Exchange) -> Message:
        bounds = self._bounds
        body = await body_of(exchange, bounds.max_body, self._limits.body_seconds)
        if len(body) < THREAD_FROM:
            return parse(body, max_bytes=bounds.max_body, max_depth=bounds.max_depth)
        return await asyncio.to_thread(
            parse, body, max_bytes=bounds.max_body, max_depth=bounds.max_depth
        )
