"""What an authorization server says of tokens, in memory for a short while, and the questions that bring it.

Laws:
1. Looking an answer up is a dictionary access: no wait, no I/O.
2. Nobody is believed by an answer that is not fresh, whether its issuer can be asked or not.
3. There is one question about a token at a time, however many callers show it, and it ends with none of them.
4. Tokens that were never good cause `AT_ONCE` questions at a time and in `TURN`, in the order they came, and `IN_LINE`
   may wait for that; those that were good are asked about beside them.
5. Who has not yet said of a token that nobody has that it is not good is not believed.

Tokens are held as digests. It knows neither HTTP nor what an answer means.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from gateway.errors import Refused
from gateway.identity.claims import seconds
from gateway.identity.keycache import Unfetched
from gateway.identity.profile import Answer
from gateway.reasons import Reason

MOST: Final = 4_096
"""Good answers, and as many bad ones. The oldest of each is forgotten first."""
AT_ONCE: Final = 32
IN_LINE: Final = 256
"""More than all agents of a usual gateway that was restarted, and few enough that most are answered in `WAIT`."""
TURN: Final = 0.2
"""Seconds of each of those at least. A question costs two milliseconds, in which nobody else is served."""
BAD: Final = 5.0
"""Seconds that a token is not asked about again that is not active."""
UNSAID: Final = 1.0
"""The same, where its issuer did not say. It is short, because such a token is good more often than not."""
WAIT: Final = 8.0
"""Seconds a call waits for an answer. The question itself takes less."""
QUIET: Final = 10.0
"""Seconds between two lines of the log about an issuer that does not answer."""

Claims = Mapping[str, Any]

log = logging.getLogger("bulkhead.identity")


class Answers:
    """Of one issuer, while `keep` runs."""

    def __init__(
        self,
        name: str,
        ask: Callable[[str], Awaitable[Claims | None]],
        believed: float,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """`ask`: what the issuer says of a token, None where it is not active; raises `Unfetched`. `believed`: seconds
        an answer is fresh. `clock`: seconds that only grow; `now`: since the epoch."""
        self._name = name
        self._ask = ask
        self._believed = believed
        self._clock = clock
        self._now = now
        self._good: dict[bytes, Answer] = {}
        self._bad: dict[bytes, Answer] = {}
        self._asking: dict[bytes, anyio.Event] = {}
        self._strange: set[bytes] = set()
        """Of those that are asked about: they were never good."""
        self._turn = anyio.Semaphore(AT_ONCE)
        self._tasks: TaskGroup | None = None
        self._quiet_until = clock()
        self._is_honest: bool | None = None
        """None: that is not known yet."""
        self.alive = True
        """Did it answer when it was last asked?"""

    def of(self, token: str) -> Answer:
        """See `profile.Sayings`."""
        digest = _digest(token)
        for kept in (self._good, self._bad):
            answer = kept.get(digest)
            if answer is not None and self.fresh(answer):
                if answer.no is not None:
                    raise Refused(answer.no, answer.why)
                return answer
        raise Refused(Reason.ISSUER_SILENT, "its issuer was not asked about it")

    def fresh(self, answer: Answer) -> bool:
        """See `profile.Sayings`."""
        return self._clock() < answer.until

    async def asked(self, token: str) -> bool:
        """See `profile.Sayings`."""
        digest = _digest(token)
        bad = self._bad.get(digest)
        is_bad = bad is not None and self.fresh(bad)
        if is_bad or self._is_honest is False or self._tasks is None:
            return False
        ended = self._asking.get(digest)
        if ended is None:
            if digest not in self._good:
                if len(self._strange) >= IN_LINE:
                    return False
                self._strange.add(digest)
            ended = self._asking[digest] = anyio.Event()
            self._tasks.start_soon(self._question, token, digest)
        with anyio.move_on_after(WAIT):
            await ended.wait()
        return ended.is_set()

    async def look(self) -> None:
        """See `profile.Kept`. Asks about a token that nobody has, so that what is wrong is told at start."""
        await self._lie()

    async def keep(self) -> None:
        """See `profile.Kept`."""
        try:
            async with anyio.create_task_group() as self._tasks:
                await anyio.sleep_forever()
        finally:
            self._tasks = None
            for digest in list(self._asking):
                self._over(digest)

    async def _question(self, token: str, digest: bytes) -> None:
        is_strange = digest in self._strange
        async with self._turn if is_strange else nullcontext():
            try:
                no = None if self._is_honest else await self._lie()
                answer = no or await self._answer(token)
            finally:
                self._over(digest)
            if answer.no is not Reason.ISSUER_SILENT:
                self._good.pop(digest, None)
            self._bad.pop(digest, None)
            _keep(self._good if answer.no is None else self._bad, digest, answer)
            if is_strange:
                await anyio.sleep(TURN)

    def _over(self, digest: bytes) -> None:
        self._strange.discard(digest)
        self._asking.pop(digest).set()

    async def _lie(self) -> Answer | None:
        """Why nobody may be believed; None: it says of a token that nobody has that it is not good."""
        answer = await self._answer(secrets.token_urlsafe(32))
        if answer.no is Reason.BAD_TOKEN:
            self._is_honest = True
            return None
        if answer.no is not None:
            return answer
        self._is_honest = self.alive = False
        log.error(
            "%s says of a token that nobody has that it is good: it is not believed", self._name
        )
        return self._no(Reason.ISSUER_SILENT, "its issuer calls good what nobody has")

    async def _answer(self, token: str) -> Answer:
        try:
            claims = await self._ask(token)
        except Exception as error:  # whatever it was, nobody is believed by it
            why = str(error) if isinstance(error, Unfetched) else type(error).__name__
            self._silent(why)
            return self._no(
                Reason.ISSUER_SILENT, f"its issuer did not say whether it is good: {why}"
            )
        self.alive = True
        if claims is None:
            return self._no(Reason.BAD_TOKEN, "its issuer says it is not active")
        if "exp" not in claims:  # a JWT says it itself
            return Answer(self._clock() + self._believed, claims)
        left = (seconds(claims["exp"]) or 0) - self._now()
        # A clock here that is ahead of the issuer's leaves time to use the answer once.
        return Answer(self._clock() + min(self._believed, max(left, 1.0)), claims)

    def _no(self, reason: Reason, why: str) -> Answer:
        pause = UNSAID if reason is Reason.ISSUER_SILENT else BAD
        return Answer(self._clock() + pause, {}, reason, why)

    def _silent(self, why: str) -> None:
        self.alive = False
        if self._clock() >= self._quiet_until:
            self._quiet_until = self._clock() + QUIET
            log.error("%s does not say whether tokens are good: %s", self._name, why)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _keep(kept: dict[bytes, Answer], digest: bytes, answer: Answer) -> None:
    kept[digest] = answer
    if len(kept) > MOST:
        del kept[next(iter(kept))]
