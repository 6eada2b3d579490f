"""One call that a sessions tool server has interrupted with questions, and the shelf of all that wait.

The work at the tool server goes on in a task of its own, across the requests an agent needs to answer
(2026-07-28 patterns/mrtr). While one of these requests is open it is the call's way to the agent;
between two of them nobody hears what the server says. It knows no seal, no policy and no wire.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from gateway.core.model import Answer, JsonObject, Outcome
from gateway.ports import Channel, Outbound, Outlet
from gateway.values import Value
from gateway.wire import asking
from gateway.wire.servers import envelope

QUIET: Final = 0.05
"""Seconds without a new question after which those that are there are put, all at once."""
MAX_QUESTIONS: Final = 32
"""Open at once in one call."""
_PROGRESS: Final = "notifications/progress"


class Question(Value):
    """What the server asked, and where its answer goes."""

    method: str
    params: JsonObject
    answer: asyncio.Future[Answer]


class ParkedCall:
    """A call and its questions; the `Channel` its tool server is given."""

    def __init__(self, message: Outbound, owner: str, request: str, shelf: Shelf) -> None:
        self.id = secrets.token_urlsafe(12)
        self.owner = owner
        self.request = request
        self.questions: dict[str, Question] = {}
        """Not answered yet, by a key that is never used twice in this call."""
        self.work: asyncio.Task[Outcome] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self._shelf = shelf
        self._client = message.client
        self._token = envelope.progress_token(message.params)
        self._agent: Channel | None = None
        self._outlet: Outlet | None = None
        self._agents_token: str | int | None = None
        self._used: set[str] = set()
        self._news = asyncio.Event()

    def start(self, work: Coroutine[Any, Any, Outcome]) -> None:
        """Forward the call."""
        self.work = asyncio.ensure_future(work)
        self.work.add_done_callback(self._ended)

    @property
    def waits(self) -> bool:
        """Whether no request of the agent is open for it."""
        return self._agent is None

    async def round(self, message: Outbound, channel: Channel) -> Outcome | None:
        """Go on with what the agent sent, until the outcome, or None when the server waits for answers.

        An agent that goes away meanwhile has cancelled the call.
        """
        self._agent, self._agents_token = channel, envelope.progress_token(message.params)
        self._outlet = message.outlet
        try:
            self._take(message.params.get("inputResponses"))
            return await self._until_asked()
        except asyncio.CancelledError:
            self.give_up()
            raise
        finally:
            self._agent = self._outlet = None

    def give_up(self) -> None:
        """Cancel it at the tool server."""
        self._shelf.forget(self)
        if self.work is not None:
            self.work.cancel()

    # What its tool server does.

    async def notify(self, method: str, params: JsonObject) -> None:
        """On the stream of the request that is open now, under the progress token of that request."""
        if self._agent is None:
            return
        if method == _PROGRESS and params.get("progressToken") == self._token:
            if self._agents_token is None:
                return
            params = {**params, "progressToken": self._agents_token}
        await self._agent.notify(method, params)

    async def ask(self, method: str, params: JsonObject) -> Answer:
        """Returns when the agent has sent the answer in a later request."""
        if asking.undeclared(method, self._client.capabilities):
            return asking.cannot_ask(f"{method}: the agent's client did not declare it")
        if len(self.questions) >= MAX_QUESTIONS or not self._shelf.take(self):
            return asking.cannot_ask(f"{method}: too many calls wait for answers")
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        key = self._key(method, params)
        self.questions[key] = Question(method, params, answer)
        self._news.set()
        try:
            return await answer
        finally:
            self.questions.pop(key, None)

    async def begin(self) -> bool:
        """See `ports.Outlet`: that of the request that is open now."""
        return self._outlet is not None and await self._outlet.begin()

    async def write(self, *pieces: bytes) -> None:
        """See `ports.Outlet`."""
        if self._outlet is not None:
            await self._outlet.write(*pieces)

    def add(self, pieces: Sequence[bytes]) -> bool:
        """See `ports.Outlet`."""
        return self._outlet is not None and self._outlet.add(pieces)

    def _key(self, method: str, params: JsonObject) -> str:
        name = key = asking.key(method, params)
        for number in itertools.count(2):
            if key not in self._used:
                break
            key = f"{name}_{number}"
        self._used.add(key)
        return key

    def _take(self, responses: Any) -> None:
        """Bring the answers to their questions. What answers nothing is ignored: it is asked again."""
        if not isinstance(responses, dict):
            return
        for key, question in list(self.questions.items()):
            given = responses.get(key)
            if asking.answers(question.method, given) and not question.answer.done():
                question.answer.set_result(Answer(given))
                del self.questions[key]

    async def _until_asked(self) -> Outcome | None:
        assert self.work is not None
        while not self.work.done():
            self._news.clear()
            if not self.questions:
                await self._news.wait()
            elif not await self._more_news():
                return None
        self._shelf.forget(self)
        if self.work.cancelled():
            # By nobody who waits here: that would be taken for the agent's going away.
            return Outcome("in_doubt", detail="it was given up as its tool server was stopped")
        return self.work.result()

    async def _more_news(self) -> bool:
        try:
            async with asyncio.timeout(QUIET):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _ended(self, work: asyncio.Task[Outcome]) -> None:
        if not work.cancelled():
            work.exception()  # whoever asks for the outcome has it; with nobody left it is nobody's
        self._news.set()


class Shelf:
    """The calls of one tool server that asked something, bounded, and each agent's share too."""

    def __init__(self, most: int, each: int) -> None:
        self._most = most
        self._each = each
        self._calls: dict[str, ParkedCall] = {}
        self._owners: Counter[str] = Counter()

    def take(self, call: ParkedCall) -> bool:
        """Make room for a call that has a question. False when there is none."""
        if call.id in self._calls:
            return True
        if len(self._calls) >= self._most or self._owners[call.owner] >= self._each:
            return False
        self._calls[call.id] = call
        self._owners[call.owner] += 1
        return True

    def find(self, id: str) -> ParkedCall | None:
        """The call of this id."""
        return self._calls.get(id)

    def park(self, call: ParkedCall, seconds: float, told: Callable[[ParkedCall], None]) -> None:
        """Let it wait for its agent so long, and then give it up."""

        def expire() -> None:
            told(call)
            call.give_up()

        call.timer = asyncio.get_running_loop().call_later(seconds, expire)

    def resume(self, call: ParkedCall) -> None:
        """Its agent came back."""
        if call.timer is not None:
            call.timer.cancel()

    def forget(self, call: ParkedCall) -> None:
        """It waits for nothing any more."""
        self.resume(call)
        if self._calls.pop(call.id, None) is not None:
            self._owners[call.owner] -= 1
            if not self._owners[call.owner]:
                del self._owners[call.owner]

    def clear(self) -> None:
        """Give every call up."""
        for call in list(self._calls.values()):
            call.give_up()
