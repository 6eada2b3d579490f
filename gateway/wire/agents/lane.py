"""The short way for an HTTP request whose head is, byte for byte, one that was read before.

Clients say the same head again and again. What the HTTP engine has framed once and the wire has checked
once is remembered by its exact bytes; a request that comes whole behind such a head needs neither again.
There is no parser here: a head that is new, a body that is late or of another length than announced,
anything pipelined, chunked or odd goes to the engine as it came. Identity, body, era and policy are asked
for with every request. It knows HTTP's framing, and no MCP.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar, Final

from gateway.wire.agents.asgi import head_of
from gateway.wire.agents.heads import END, BoundedHeads, without_upgrade
from gateway.wire.agents.knownheads import Known, KnownHeads
from gateway.wire.agents.laneexchange import LaneExchange

LATE: Final = 1.0
"""Seconds a body may come after its head before the engine waits for it instead."""
KEPT: Final = 12 * 1024
"""Bytes of memory up to which a connection keeps its last head, also where there are too many to be remembered."""

log = logging.getLogger("bulkhead.wire")


class Lane(BoundedHeads):
    """The engine's connection, with the short way in front of it."""

    heads: ClassVar[KnownHeads]

    _fed_whole = True
    """The engine has read no part of a message whose end it has not read."""
    _learning: bytes | None = None
    """The bytes of the head the engine is about to read, when all of them are there."""
    _held = b""
    """What came and is nobody's yet: a request without its whole body, or what follows the one being served."""
    _known: Known | None = None
    """What is known of the head of `_held`."""
    _last: Known | None = None
    """The head that came last: most clients say one again and again."""
    _late: asyncio.TimerHandle | None = None
    _exchange: LaneExchange | None = None
    """What is being served here."""
    _idle_since = 0.0

    def data_received(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        if self._exchange is not None:
            self._held = data
            self.flow.pause_reading()
            return
        known = self._recognised(data)
        if known is None or len(data) > known.size:
            self._to_engine(data)
        elif len(data) == known.size:
            self._serve(known, data)
        else:
            self._hold(known, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._not_late()
        super().connection_lost(exc)
        if self._exchange is not None:
            self._await_its_end(self._exchange)
            self._exchange.lose()

    def shutdown(self) -> None:
        """See uvicorn: what is being served is served to its end."""
        if self._exchange is None:
            super().shutdown()
            return
        self._exchange.keep_alive = False
        self._await_its_end(self._exchange)

    def _await_its_end(self, exchange: LaneExchange) -> None:
        """A gateway that stops waits for it: it is asked of no connection then."""
        if exchange.task is not None:
            self.tasks.add(exchange.task)

    def on_response_complete(self) -> None:
        """See uvicorn."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """See uvicorn. One timer for many requests: it looks again when silence could first be too long."""
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0 and self._exchange is None and not self._held:
            super().timeout_keep_alive_handler()
        else:
            self._look_again(max(left, LATE))

    def on_message_begin(self) -> None:
        self._fed_whole = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        raw, self._learning = self._learning, None
        if raw is not None and self.cycle.keep_alive:
            self.heads.learn(raw, head_of(self.scope))

    def on_message_complete(self) -> None:
        self._fed_whole = True
        super().on_message_complete()

    def answered(self, exchange: LaneExchange) -> None:
        """The last byte of an answer is written."""
        self._exchange = None
        if exchange.task is not None:
            exchange.task.remove_done_callback(self._served)
        if not exchange.keep_alive or self.transport.is_closing():
            self.tasks.discard(exchange.task)
            self.transport.close()
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)
        if self._held:
            held, self._held = self._held, b""
            self.flow.resume_reading()
            self.data_received(held)

    def _recognised(self, data: bytes) -> Known | None:
        """The head it begins with. None: it is the engine's, to read it or because of what came before."""
        cycle = self.cycle
        between = self._fed_whole and (cycle is None or cycle.response_complete)
        if not between or self.transport.is_closing():
            return None
        known = self._known or self._last
        if known is not None and data.startswith(known.raw):
            return known
        end = data.find(END) + len(END)
        known = self.heads.find(data[:end])
        if known is None:
            self._learning = data[:end]
        else:
            self._last = known if known.cost <= KEPT else None
        return known

    def _hold(self, known: Known, data: bytes) -> None:
        self._known, self._held = known, data
        if self._late is None:
            self._late = self.loop.call_later(LATE, self._too_late)

    def _too_late(self) -> None:
        self._late = None
        held, self._held = self._held, b""
        self._to_engine(held)

    def _not_late(self) -> None:
        self._known = None
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _to_engine(self, data: bytes) -> None:
        self._not_late()
        super().data_received(without_upgrade(data) if self._fed_whole else data)
        self._learning = None

    def _serve(self, known: Known, data: bytes) -> None:
        if self._known is not None:
            self._not_late()
        if self._clock is not None:
            self._believed()
        exchange = LaneExchange(known.admitted.head, data[len(known.raw) :], self, self.certificate)
        self._exchange = exchange
        serving = self.heads.front.serve_admitted(known.admitted, exchange)
        # Not the loop's `create_task`: it numbers its tasks.
        task = exchange.task = asyncio.Task(serving, loop=self.loop, name="request")
        task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[Any]) -> None:
        """An answer that has no end by now never gets one."""
        self.tasks.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("a request was not served to its end", exc_info=bug)
        if self._exchange is not None and self._exchange.task is task:
            self._exchange = None
            self.transport.close()

    def _look_again(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )
