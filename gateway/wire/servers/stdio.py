"""A tool server over stdio, supervised: started when first needed, started again when it dies.

It knows when there is a process to talk to and which era it speaks; the talking is in stdio_conversation.py, the
process in process.py. A process that serves all agents is told of no client capabilities at `initialize`: of what one
agent can and another cannot, it might ask the wrong one (stdio_each.py). A stateless server is told each call's own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Literal

from gateway.core.model import ClientFacts, Era, JsonObject, Outcome
from gateway.core.record import Permit
from gateway.credential_ports import OwnCredential
from gateway.finishing import to_its_end
from gateway.ports import Channel, Outbound, ServerUnavailable
from gateway.reasons import Reason
from gateway.settings import MAX_WHOLE, ServerSettings
from gateway.wire.servers import LateAnswer, envelope, process
from gateway.wire.servers.back_off import BackOff
from gateway.wire.servers.news import News
from gateway.wire.servers.running import Running, Start
from gateway.wire.servers.stdio_before import tell_before
from gateway.wire.servers.stdio_conversation import Conversation, Gone
from gateway.wire.servers.stdio_greeting import NoGreeting, greet
from gateway.wire.servers.stdio_hearing import hear_lists
from gateway.wire.servers.stdio_up import Up
from gateway.wire.servers.stdio_watch import StdioWatch

State = Literal["idle", "starting", "ready", "down", "closed"]


class StdioServer:
    """`ports.ToolServer` over the pipes of a process."""

    def __init__(
        self,
        name: str,
        settings: ServerSettings,
        *,
        client: ClientFacts | None = None,
        back_off: BackOff | None = None,
        late: LateAnswer | None = None,
        own: OwnCredential | None = None,
        changed: Callable[[str], None] | None = None,
        start: Start | None = None,
    ) -> None:
        """Starts nothing. `client`: the only one it serves, as it is to be told. `own`: the credential its process has
        in its environment; it ends with it, and the next one gets a new one. `changed`: is told of changed lists in the
        place of who listens here; it is one of many then, and started again when somebody asks. `start`: in the place
        of its command. Raises `Misconfigured`: no such command."""
        self._name, self._limits = name, settings.limits
        self._start = start or partial(process.start, process.command(name, settings))
        self._forced = settings.era
        self._remembered: Literal["auto", "sessions", "stateless"] = settings.era
        self._client = client
        self._late, self._own, self._back_off = late, own, back_off or BackOff()
        self._ids, self._changes = envelope.ids(), News()
        self.changed, self._is_one_of_many = changed or self._changes.publish, bool(changed)
        self._watch = StdioWatch(self._there)
        self.watches = self._watch.watches
        self._state: State = "idle"
        self._settled = asyncio.Event()
        """Set while the state is ready, down or closed: nothing to wait for."""
        self._up: Up | None = None
        self.era: Era | None = None
        """What it speaks; None while it is not up."""
        self._last: Running | None = None
        """The process that was started last, answering or not."""
        self._failures = self._starts = 0
        self._last_error = ""
        self._fenced = False
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Future[None] | None = None
        self._log = logging.getLogger(f"bulkhead.server.{name}")

    async def start(self) -> None:
        """Start it and wait until it is ready or has failed once. Raises `ServerUnavailable`."""
        await self._ready()

    def call(
        self, permit: Permit, message: Outbound, channel: Channel
    ) -> Coroutine[Any, Any, Outcome]:
        """See `ports.ToolServer`. Over limits.concurrency, or while it is down, nothing is forwarded:
        the outcome is then `rejected` with the gateway's own error. A subscription is the gateway's own."""
        if message.method == "resources/subscribe":
            return self.watches.subscribed(message.params, channel)
        up, client = self._up, message.client
        if up is None or client.log_level is not None or client.roots_at:
            return self._call_later(permit, message, channel)
        return up.conversation.call(permit.call_id, message, up.greeting.era, channel)

    async def _call_later(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        try:
            up = self._up or await self._ready()
        except ServerUnavailable:
            why = self._last_error or self._state
            return envelope.not_forwarded(self._name, Reason.SERVER_UNAVAILABLE, why)
        await tell_before(up, self._client, message, channel, self._limits)
        return await up.conversation.call(permit.call_id, message, up.greeting.era, channel)

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        """See `ports.ToolServer`."""
        up = self._up or await self._ready()
        if method == "server/discover":
            return self.describe()
        message = Outbound(method, params, envelope.GATEWAY, principal="")
        era, seconds = up.greeting.era, self._limits.first_byte
        try:
            outcome = await up.conversation.ask(
                lambda id: envelope.request(message, id, era), seconds
            )
        except TimeoutError:
            why = f"no answer within limits.first_byte ({seconds:g} s)"
            raise self._unavailable(f"{method}: {why}") from None
        except Gone as gone:
            raise self._unavailable(f"{method}: {gone}") from None
        if outcome.result is None:
            said = outcome.error.message if outcome.error else outcome.detail
            raise ServerUnavailable(f"tool server {self._name}: {method}: {said}", outcome.error)
        return outcome.result

    def changes(self) -> AsyncIterator[str]:
        """See `ports.ToolServer`. News from now on."""
        return self._changes.listen()

    def describe(self) -> dict[str, Any]:
        """For the operator's status page; plain JSON."""
        greeting = self._up.greeting if self._up else None
        return {
            "transport": "stdio",
            "state": self._state,
            "era": str(greeting.era) if greeting else None,
            "protocol_version": greeting.version if greeting else None,
            "server_info": greeting.server_info if greeting else None,
            "capabilities": greeting.capabilities if greeting else None,
            "instructions": greeting.instructions if greeting else None,
            "pid": self._up.process.pid if self._up else None,
            "process": {"pid": self._last.pid, "over": self._last.is_over} if self._last else None,
            "starts": self._starts,
            "last_error": self._last_error,
        }

    async def fence(self) -> bool:
        """See `ports.ToolServer`: ends the process and all it started; the next one starts at once.
        Calls in flight end in doubt. One that is being ended already, or only closed its output, is waited for."""
        last = self._last
        if last is None or not (self._up or last.stopping or last.ended.done()):
            return True  # one that is starting has had no call
        self._fenced = self._fenced or self._up is not None
        await to_its_end(last.stop())
        return last.is_over

    def _over(self, running: Running) -> None:
        """Its credential is: so is the process. The next one starts at once, with a new one."""
        if not running.ended.done():
            self._fenced = True
            self._ending = asyncio.ensure_future(to_its_end(running.stop()))

    async def aclose(self) -> None:
        """End the process and all it started. Calls in flight end in doubt."""
        self._state = "closed"
        self._settled.set()
        self._changes.close()
        self._watch.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # Supervision.

    async def _there(self) -> Up:
        return self._up or await self._ready()

    async def _ready(self) -> Up:
        """The process, once it is ready. At once an error while it is down; a start is waited for."""
        if self._task is None and self._state == "idle":
            self._state = "starting"
            self._settled.clear()
            self._task = asyncio.create_task(self._supervise())
        await self._settled.wait()
        if self._up is None:
            raise self._unavailable(self._last_error or self._state)
        return self._up

    def _unavailable(self, why: str) -> ServerUnavailable:
        return ServerUnavailable(f"tool server {self._name}: {why}")

    async def _supervise(self) -> None:
        while True:
            lived = await self._one_life()
            if self._fenced:
                self._fenced = False
                continue
            self._failures = 1 if lived >= self._back_off.forgiven_after else self._failures + 1
            seconds = self._back_off.seconds(self._failures)
            self._log.warning("%s; next start in %g s", self._last_error, seconds)
            await asyncio.sleep(seconds)
            if self._is_one_of_many and not self.watches.are_any:
                self._state, self._task = "idle", None
                return
            if lived:
                # It worked until now, so its next start is worth waiting for. One that failed to
                # start is tried again behind the callers' backs: they get their no at once.
                self._state = "starting"
                self._settled.clear()

    async def _one_life(self) -> float:
        """From start to end of one process; sets `_last_error`. Returns the seconds it was ready."""
        if self._starts:
            self._changes.publish("new process")  # now: who waits for its start was decided before
        try:
            async with asyncio.timeout(self._limits.connect):
                up = await self._meet()
        except Exception as error:
            self._log.debug("start failed", exc_info=True)
            self._down(self._why(error))
            return 0.0
        clock = asyncio.get_running_loop().time
        began = clock()
        listening = asyncio.create_task(hear_lists(up.conversation, up.greeting))
        try:
            self._serve(up)
            # By callback, so that it is down before any call in flight hears of the end.
            up.process.ended.add_done_callback(lambda _: self._down(up.conversation.epitaph()))
            await asyncio.wait([up.process.ended])
            return clock() - began
        finally:
            self._up = self.era = None
            listening.cancel()
            await to_its_end(up.process.stop())

    async def _meet(self) -> Up:
        """Start it and greet it, in the era it spoke last time. Raises what `_greeted` does."""
        if self._remembered != "auto":
            try:
                return await self._greeted(self._remembered)
            except NoGreeting:
                self._remembered = self._forced
                raise
        try:
            up = await self._greeted("auto")
        except Gone:
            # Some older servers exit on a first message that is not `initialize`.
            up = await self._greeted("sessions")
        self._remembered = "stateless" if up.greeting.era is Era.STATELESS else "sessions"
        return up

    async def _greeted(self, era: Literal["auto", "sessions", "stateless"]) -> Up:
        """Raises `OSError` (did not start), `Gone` (ended), `NoGreeting`, `NoCredential`; leaves no process then."""
        conversation = Conversation(
            self._name, self._limits, self._ids, self.changed, self._late, self._watch.told
        )
        conversation.of_one_agent = self._client is not None
        credential = await self._own() if self._own is not None else None
        longest = min(self._limits.max_result, MAX_WHOLE)
        running = await self._start(longest, conversation.attach, credential)
        self._last = running
        if credential is not None:
            forget = credential.over.then(lambda: self._over(running))
            running.ended.add_done_callback(lambda _: forget())
        try:
            greeting = await greet(conversation, era, self._client, credential)
            return Up(running, conversation, greeting)
        except BaseException as error:
            if not (era == "auto" and isinstance(error, Gone)):
                self._down(self._why(error))
            await to_its_end(running.stop())
            raise

    def _serve(self, up: Up) -> None:
        self._up, self.era, self._state = up, up.greeting.era, "ready"
        self._starts += 1
        self._settled.set()
        self._log.info("ready: %s, pid %s", up.greeting.version, up.process.pid)
        if self._starts > 1:
            self._changes.publish("restarted")
            self._watch.renewed()

    def _down(self, why: str) -> None:
        self._up = self.era = None
        self._last_error = why
        if self._fenced and self._state == "ready":
            self._state = "starting"  # follows at once, and is worth waiting for
            self._changes.publish("new process")
            self._settled.clear()
            return
        if self._state != "closed":
            self._state = "down"
        self._settled.set()

    def _why(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError | asyncio.CancelledError):
            return f"no greeting within limits.connect ({self._limits.connect:g} s)"
        return f"it did not start: {error}"
