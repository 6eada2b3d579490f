"""One HTTP request to an MCP endpoint, in the order nothing may change: head, identity, body, parse, era.

Nobody who is not identified gets a byte of body read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Final

from gateway.core.model import Endpoint, WorkloadIdentity
from gateway.ports import Gate
from gateway.sdk import MODERN_PROTOCOL_VERSIONS
from gateway.settings import Settings
from gateway.values import replace
from gateway.wire.agents import challenges
from gateway.wire.agents.admitted import Admitted
from gateway.wire.agents.bodies import body_of
from gateway.wire.agents.checks import check_head, declared_length
from gateway.wire.agents.era import is_stateless
from gateway.wire.agents.exchange import Exchange, Gone, Head, Rejected
from gateway.wire.agents.inwork import InWork
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import (
    INVALID_REQUEST,
    Message,
    parse,
    rejected,
)
from gateway.wire.agents.session import Sessions
from gateway.wire.agents.sessions import SessionEra
from gateway.wire.agents.stateless import Advertised, Stateless

THREAD_FROM: Final = 32 * 1024
"""Bodies of this many bytes are parsed in a worker thread, so that they do not hold up the others."""

log = logging.getLogger("bulkhead.wire")


class Door:
    """Serves both eras at every endpoint."""

    def __init__(
        self, gate: Gate, settings: Settings, catalogue: Advertised, limits: Limits
    ) -> None:
        bounds = settings.limits
        self._max_body = bounds.max_body
        self._parse = partial(parse, max_bytes=bounds.max_body, max_depth=bounds.max_depth)
        self._gate = gate
        self._resource = challenges.Resource.of(settings)
        self._limits = limits
        self.sessions = Sessions(limits, time.monotonic)
        self._era_sessions = SessionEra(gate, self.sessions, limits, bounds.concurrency)
        self._era_stateless = Stateless(gate, catalogue, limits)
        self._in_work = InWork(bounds.concurrency)

    def end_listens(self) -> None:
        """What listens gets its result."""
        self._era_stateless.over.set()

    async def serve(self, endpoint: Endpoint, exchange: Exchange) -> None:
        """Answer one request. Host and Origin have been checked. Never raises for what the caller did."""
        try:
            admitted = self.admit(endpoint, exchange.head)
        except Rejected as no:
            await exchange.reply(no.reply)
            return
        await self.serve_admitted(admitted, exchange)

    def admit(self, endpoint: Endpoint, head: Head) -> Admitted:
        """Asks everything about a head but whose it is. Raises `Rejected`."""
        check_head(head)
        return Admitted.of(head, endpoint)

    async def serve_admitted(self, admitted: Admitted, exchange: Exchange) -> None:
        """The same for a head that has passed all its checks."""
        try:
            evidence = admitted.evidence
            if exchange.certificate:
                evidence = replace(evidence, certificate=exchange.certificate)
            identity = self._gate.recalled(evidence)
            if identity is None:
                identity = await challenges.identify(self._gate, evidence, self._resource)
            if admitted.head.method != "POST":
                await self._session_only(exchange, admitted, identity)
                return
            whole = exchange.whole
            if whole is None:
                declared_length(admitted.head, self._max_body)  # before it counts as work
            agent = self._in_work.enter(identity)
            try:
                if whole is None or len(whole) >= THREAD_FROM:
                    message = await self._message(exchange)
                else:
                    message = self._parse(whole)
                if is_stateless(message, admitted.version, admitted.session):
                    await self._era_stateless.post(exchange, admitted, identity, message)
                else:
                    await self._era_sessions.post(exchange, admitted, identity, message)
            finally:
                self._in_work.leave(agent)
        except Rejected as no:
            await exchange.reply(no.reply)
        except Gone:
            return

    async def _session_only(
        self, exchange: Exchange, admitted: Admitted, identity: WorkloadIdentity
    ) -> None:
        if admitted.version in MODERN_PROTOCOL_VERSIONS or admitted.session is None:
            raise rejected(405, INVALID_REQUEST, "use POST", headers=(("allow", "POST"),))
        if admitted.head.method == "GET":
            await self._era_sessions.get(exchange, admitted, identity)
        else:
            await self._era_sessions.delete(exchange, admitted, identity)

    async def _message(self, exchange: Exchange) -> Message:
        body = await body_of(exchange, self._max_body, self._limits.body_seconds)
        if len(body) < THREAD_FROM:
            return self._parse(body)
        return await asyncio.to_thread(self._parse, body)
