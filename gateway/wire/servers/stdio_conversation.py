"""The JSON-RPC conversation with one running stdio server: many agents' calls over one pair of pipes.

It knows ids, progress tokens and who is waiting for what, and nothing of eras, restarts or back-off.
What is shared must be told apart, so:
- an answer belongs to the request with its id; ids are never used twice, also not by the next process;
- progress belongs to the call with its token. On the wire the token is the request id, because two
  agents may have chosen the same one; the agent gets its own back, and every other member as it came;
- log messages, other notifications without an address, and the server's own questions (sampling, elicitation, roots)
  name no call. With exactly one call in flight they are that call's; otherwise notifications are dropped and questions
  refused, because a guess could show one agent's work to another. A process that serves one agent only is not guessed
  about: they are its newest call's, what it asks before its first waits for it, and what it says after one is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from gateway.core.model import Era, JsonObject, Outcome
from gateway.core.over import Ear
from gateway.core.settle import METHOD_NOT_FOUND
from gateway.ports import Channel, Outbound, Told
from gateway.reasons import Reason
from gateway.settings import ServerLimits, bound
from gateway.values import replace
from gateway.wire import strict_json
from gateway.wire.asking import NEEDED
from gateway.wire.methods import LIST_CHANGES, NEWS, outlives_its_call
from gateway.wire.servers import LateAnswer, envelope
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.running import Running
from gateway.wire.servers.stdio_call import InFlight, LimitReached, Reply
from gateway.wire.servers.stdio_lines import Heard, Overlong
from gateway.wire.servers.stdio_unread import Unread
from gateway.wire.servers.vigil import FOREVER, Vigil

MAX_LATE: Final = 10_000
"""Calls given up on whose late answers are still recognised."""
MAX_EARLY: Final = 8


class Gone(Exception):
    """The process ended. The message says how, with its last words."""


class Conversation:
    """One process's life. `process.start` gets `attach`."""

    def __init__(
        self,
        name: str,
        limits: ServerLimits,
        ids: Iterator[int],
        changed: Callable[[str], None],
        late: LateAnswer | None,
        updated: Told,
    ) -> None:
        self._name = name
        self._limits = limits
        self._ids = ids
        self._changed = changed
        self._updated = updated
        self._tell_late = late
        self._calls: dict[int, InFlight] = {}
        self._own: dict[int, asyncio.Future[Outcome]] = {}
        self._given_up: OrderedDict[int, str] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()
        self._vigil = Vigil()
        self._vigil.begin(self)
        self.of_one_agent = False
        """Nobody else's calls come here."""
        self._ear: Ear | None = None
        self.log_level: str | None = None
        """What the server was told by logging/setLevel: the widest anyone asked for."""
        self.roots_at = self._loop.time()
        self._early: list[tuple[str, JsonObject, int, Reply]] = []
        """Questions that came before any call."""
        self._process: Running
        self.log = logging.getLogger(f"bulkhead.server.{name}")
        self._unread = Unread(self.log)

    def attach(self, process: Running) -> Heard:
        self._process = process
        process.ended.add_done_callback(lambda _: self._lost())
        return self.heard

    # What the gateway asks for itself.

    async def ask(self, message: Callable[[int], JsonObject], seconds: float) -> Outcome:
        """The answer to a request of the gateway's own. Raises `TimeoutError`, `Gone`."""
        id = next(self._ids)
        waiting = self._own[id] = asyncio.Future[Outcome]()
        try:
            async with asyncio.timeout(seconds):
                if not await self._send(envelope.line(message(id))):
                    await self._process.over()
                    raise Gone(self.epitaph())
                return await waiting
        finally:
            del self._own[id]
            waiting.cancel()

    def say(self, message: JsonObject) -> None:
        """A notification or an answer. Lost when the process is gone, like everything it was told."""
        self._process.write(envelope.line(message))

    # What agents ask.

    async def call(self, call_id: str, message: Outbound, era: Era, channel: Channel) -> Outcome:
        """Forward one call, at most once, and wait within the limits. Cancelling cancels it there.
        `call_id`: empty for what is not on record, whose late answer is nobody's news."""
        if len(self._calls) >= self._limits.concurrency:
            why = f"{self._limits.concurrency} calls are in flight already"
            return envelope.not_forwarded(self._name, Reason.OVERLOADED, why)
        id, token = next(self._ids), envelope.progress_token(message.params)
        limits, loop = self._limits, self._loop
        self._ear = message.ear if self.of_one_agent and call_id else self._ear
        patience = Patience(limits.first_byte, limits.idle, loop.time() + limits.total)
        call = self._calls[id] = InFlight(call_id, token, channel, patience, self._vigil, loop)
        while self._early:
            self._put(*self._early.pop(0))
        call.exact = message.exact
        try:
            line = envelope.line(envelope.request(message, id, era, None if token is None else id))
            if self._process.has_room() and not self._writing.locked():
                call.sent = self._process.write(line)
            outcome = await (call.outcome() if call.sent else self._forward_later(call, line))
        except LimitReached as limit:
            self._give_up(id, call, str(limit))
            outcome = envelope.in_doubt(self._name, str(limit))
        except asyncio.CancelledError:
            if call.sent:
                self._give_up(id, call, "cancelled by the agent")
            raise
        finally:
            del self._calls[id]
        return replace(outcome, pid=self._process.pid) if outcome.kind == "in_doubt" else outcome

    @contextmanager
    def carrying(self, channel: Channel, patience: Patience) -> Iterator[InFlight]:
        """As if this agent had a call in flight: what the server asks goes to it."""
        id, call = next(self._ids), InFlight("", None, channel, patience, self._vigil, self._loop)
        self._calls[id] = call
        try:
            yield call
        finally:
            del self._calls[id]

    async def _forward_later(self, call: InFlight, line: bytes) -> Outcome:
        """When it reads, if it does."""
        try:
            async with asyncio.timeout(self._limits.first_byte):
                call.sent = await self._send(line)
        except TimeoutError:
            why = "it does not read its standard input"
            return envelope.not_forwarded(self._name, Reason.SERVER_UNAVAILABLE, why)
        if not call.sent:
            await self._process.over()
            return envelope.not_forwarded(self._name, Reason.SERVER_UNAVAILABLE, self.epitaph())
        return await call.outcome()

    async def _send(self, line: bytes) -> bool:
        """One message, when the server has read most of those before it. False if it is gone. The queue is here and not
        in the pipe's buffer: a server that stops reading costs one message of memory, and what never left can be
        refused instead of being in doubt."""
        async with self._writing:
            await self._process.room()
            return self._process.write(line)

    def look(self, now: float) -> float:
        """See `vigil.Awaited`: at every call."""
        return min([call.look(now) for call in list(self._calls.values())], default=FOREVER)

    def _give_up(self, id: int, call: InFlight, why: str) -> None:
        self._given_up[id] = call.call_id
        if len(self._given_up) > MAX_LATE:
            self._given_up.popitem(last=False)
        self.say(envelope.cancelled(id, why))

    # What the server says.

    def heard(self, line: bytes | Overlong) -> None:
        """One line of its standard output. Never raises: one bad line costs that line."""
        try:
            if isinstance(line, Overlong):
                self._overlong(line)
            else:
                for message in envelope.messages(line):
                    self._message(message, line)
        except strict_json.Unreadable as error:
            assert isinstance(line, bytes)
            lost = self._unread.tell(line, self._process.shown(line), error)
            if lost is not None:
                self._settle(lost, envelope.in_doubt(self._name, f"unreadable answer: {error}"))
        except Exception:
            self.log.exception("a message of the server was dropped")

    def _message(self, message: JsonObject, line: bytes) -> None:
        method = message.get("method")
        if not isinstance(method, str):
            self._answer(message, line)
            return
        params = given if isinstance(given := message.get("params"), dict) else {}
        if "id" in message:
            self._question(message["id"], method, params, len(line))
        else:
            self._notification(method, params, len(line))

    def _answer(self, message: JsonObject, line: bytes) -> None:
        id = envelope.answered(message)
        if id is not None:
            outcome = envelope.outcome(message, self._name)
            if outcome.kind == "rejected" and self._process.stopping:
                # The end of its input makes a server break off what it does, and call that an error.
                outcome = envelope.in_doubt(self._name, "an error was its answer as it was ended")
            self._settle(id, outcome, line)
        else:
            self._unread.stray()

    def _settle(self, id: int, outcome: Outcome, line: bytes = b"") -> None:
        if id in self._calls:
            self._calls[id].answer(outcome, line)
        elif id in self._own:
            if not self._own[id].done():
                self._own[id].set_result(outcome)
        elif id in self._given_up:
            call_id = self._given_up.pop(id)
            if call_id and self._tell_late is not None and outcome.kind != "in_doubt":
                self._tell_late(call_id, outcome)

    def _notification(self, method: str, params: JsonObject, size: int) -> None:
        if method == "notifications/progress":
            self._progress(params, size)
        elif method in LIST_CHANGES:
            self._changed(method)
        elif method in NEWS:
            self._updated(method, params)
        elif (call := self._only_call()) and not call.answered:
            call.tell(method, params, size)
        elif self._ear is not None and outlives_its_call(method):
            self._ear.tell(method, params)

    def _progress(self, params: JsonObject, size: int) -> None:
        token = envelope.number(params.get("progressToken"))
        call = None if token is None else self._calls.get(token)
        if call is not None and call.token is not None:
            call.tell("notifications/progress", {**params, "progressToken": call.token}, size)

    def _question(self, id: Any, method: str, params: JsonObject, size: int) -> None:
        def reply(answer: JsonObject) -> None:
            self.say({"jsonrpc": "2.0", "id": id, **answer})

        if method == "ping":
            reply({"result": {}})
        elif method not in NEEDED:
            reply({"error": {"code": METHOD_NOT_FOUND, "message": "Method not found"}})
        elif self.of_one_agent and not self._calls and len(self._early) < MAX_EARLY:
            self._early.append((method, params, size, reply))
        else:
            self._put(method, params, size, reply)

    def _put(self, method: str, params: JsonObject, size: int, reply: Reply) -> None:
        if not (call := self._only_call()) or not call.ask(method, params, size, reply):
            text = "The gateway cannot tell whose question this is"
            reply({"error": {"code": envelope.INTERNAL_ERROR, "message": text}})

    def _only_call(self) -> InFlight | None:
        certain = len(self._calls) == 1 or (self._calls and self.of_one_agent)
        return next(reversed(self._calls.values())) if certain else None

    def _overlong(self, line: Overlong) -> None:
        """Its call fails; when the line does not say which that was, all that are waiting do."""
        why = f"it wrote a line over {bound(self._limits.max_result)}"
        self.log.error("%s", why)
        if line.is_message:
            return
        id = line.answer_to
        for lost in (id,) if id is not None else (*self._calls, *self._own):
            self._settle(lost, envelope.in_doubt(self._name, why))

    # Its end.

    def epitaph(self) -> str:
        """How it ended, with its last words."""
        how, words = self._process.ended.result(), self._process.last_words
        return f"{how}; its last words: {words}" if words else how

    def _lost(self) -> None:
        self._given_up.clear()
        self._vigil.close()
        for call in self._calls.values():
            call.answer(envelope.in_doubt(self._name, self.epitaph()))
        for waiting in self._own.values():
            if not waiting.done():
                waiting.set_exception(Gone(self.epitaph()))
