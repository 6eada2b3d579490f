"""The gate behind every agent-facing wire: lists come from the catalogue, all else goes down the Line.

It knows endpoints and the ports; no HTTP, no JSON-RPC framing, no tool server's transport.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from gateway.core import settle, visiting
from gateway.core.decide import served_tiers
from gateway.core.fence import Fence
from gateway.core.model import (
    Answer,
    Endpoint,
    Evidence,
    Request,
    WorkloadIdentity,
)
from gateway.errors import Refused
from gateway.gate.listed import Lists
from gateway.gate.receipts import Receipts, is_asked, with_id
from gateway.gate.subscriptions import Subscriptions
from gateway.gate.turned_away import TurnedAway
from gateway.line.bounds import Bounds
from gateway.pep import Line
from gateway.ports import (
    About,
    Catalogue,
    Channel,
    Following,
    MayHave,
    Policies,
    Shelves,
    Told,
    Verifier,
    Watched,
)
from gateway.reasons import Reason
from gateway.values import as_json, replace

LISTS: Final = frozenset(
    {"tools/list", "prompts/list", "resources/list", "resources/templates/list"}
)
SUBSCRIBING: Final = frozenset(
    {"subscriptions/listen", "resources/subscribe", "resources/unsubscribe"}
)
"""What a wire brings to `follow`: what is subscribed to lasts longer than a request."""
SMALL: Final = 4 * 1024
"""Bytes of the params of a request that is kept as long as what came of it."""
APART: Final = LISTS | SUBSCRIBING
"""What does not go down the Line."""


class FrontGate:
    """`ports.Gate`, wired to one gateway's parts."""

    def __init__(
        self,
        *,
        line: Line,
        shelves: Shelves,
        policies: Policies,
        bounds: Bounds,
        verifier: Verifier,
        turned_away: TurnedAway,
        seconds: Callable[[], int],
        catalogue: Catalogue,
        watched: Mapping[str, Watched],
        receipts: Receipts,
        origin: str = "",
        noted: Callable[[Evidence, WorkloadIdentity], None] | None = None,
    ) -> None:
        """`seconds` gives the time since the epoch; `origin`: where links to this gateway lead; `noted` is told of
        every caller who is identified."""
        self._origin = origin
        self._receipts = receipts
        self._line = line
        self._bounds = bounds
        self._shelves = shelves
        self._policies = policies
        self._catalogue = catalogue
        self._lists = Lists(shelves, catalogue, policies, bounds)
        self._verifier = verifier
        self._turned_away = turned_away
        self._seconds = seconds
        self._noted = noted
        self._subscriptions = Subscriptions(
            line=line,
            catalogue=catalogue,
            policies=policies,
            bounds=bounds,
            watched=watched,
            seconds=seconds,
        )

    def recalled(self, evidence: Evidence) -> WorkloadIdentity | None:
        """See `ports.Gate`."""
        identity = self._verifier.recall(evidence, self._seconds())
        if identity is not None and self._noted is not None:
            self._noted(evidence, identity)
        return identity

    async def identify(self, evidence: Evidence) -> WorkloadIdentity:
        """See `ports.Gate`."""
        try:
            identity = await self._identified(evidence)
        except Refused as no:
            self._turned_away.note(evidence.endpoint, no)
            raise
        if self._noted is not None:
            self._noted(evidence, identity)
        return identity

    async def _identified(self, evidence: Evidence) -> WorkloadIdentity:
        open_questions = {Reason.UNKNOWN_KEY, Reason.ISSUER_SILENT}
        while True:
            try:
                return self._verifier.verify(evidence, self._seconds())
            except Refused as no:
                if no.reason not in open_questions or not await self._verifier.refreshed(evidence):
                    raise
                open_questions.remove(no.reason)

    async def met(self, endpoint: Endpoint, identity: WorkloadIdentity) -> None:
        """See `ports.Gate`."""
        server, catalogue = endpoint.server, self._catalogue
        if server is None or server not in catalogue.unseen or server in catalogue.current.about:
            return
        if self._reaches(endpoint, identity):
            with suppress(Refused):
                await catalogue.seen(server)

    def about(self, endpoint: Endpoint, identity: WorkloadIdentity) -> About:
        """See `ports.Gate`. Of a server at which this caller reaches nothing it says what it says of one that does not
        exist."""
        nowhere = replace(endpoint, server="")
        return self._shelves.about(endpoint if self._reaches(endpoint, identity) else nowhere)

    def _reaches(self, endpoint: Endpoint, identity: WorkloadIdentity) -> bool:
        if endpoint.kind != "server":
            return True
        tiers = served_tiers(endpoint, identity)
        return self._policies.current.reaches(identity, endpoint.server or "", tiers)

    def left(self, identity: WorkloadIdentity) -> int:
        """See `ports.Gate`."""
        return max(0, identity.expires_at - self._seconds())

    def keeps(self, request: Request) -> MayHave:
        """See `ports.Gate`. A large request is not kept beside what came of it."""
        is_small = len(as_json(request.params)) <= SMALL
        kept = request if is_small else None
        return partial(self._may_have, request.identity, kept, self._bounds.fallen())

    def _may_have(
        self,
        who: WorkloadIdentity,
        request: Request | None,
        before: tuple[Fence, ...],
        asker: WorkloadIdentity,
    ) -> bool:
        """Whether `asker` may have what came of the call. Under which policy and grants it was made is not kept: once
        there is a fence that was not there `before`, of whatever, it must be a call that could be made now, and one
        of which that can be told. `asker` may come in another task than the call's."""
        asked = replace(who, expires_at=asker.expires_at)
        try:
            self._bounds.admit(asker)
            self._bounds.admit(asked)
        except Refused:
            return False
        if set(self._bounds.fallen()) <= set(before):
            return True
        return request is not None and self._subscriptions.may_hear(
            replace(request, identity=asked)
        )

    def follow(self, request: Request, kinds: frozenset[str], told: Told) -> Following:
        """See `ports.Gate`."""
        return self._subscriptions.follow(request, kinds, told)

    def changed(self) -> None:
        """The catalogue or the policy is another one."""
        self._subscriptions.changed()

    def answer(self, request: Request, channel: Channel) -> Coroutine[Any, Any, Answer]:
        """See `ports.Gate`."""
        frame = request.frame
        if frame is not None and frame.told_as_it_is:
            return self._line.call(request, channel)
        return self._answer(request, channel)

    async def _answer(self, request: Request, channel: Channel) -> Answer:
        if request.method in APART:
            await self.met(request.endpoint, request.identity)
            return self._apart(request)
        frame = request.frame  # a call that has one comes with no ticket, and asks for no warrant
        if frame is not None and request.endpoint.kind == "server":
            frame.told_as_it_is = not visiting.shows_links(request)
        call = request if frame is not None else visiting.returned(request)
        answer = await self._line.call(call, channel)
        if frame is None and is_asked(call):
            answer = await self._receipts.add(call, answer)
        else:
            answer = with_id(call, answer)
        if answer.ticket and call is request:
            return visiting.invited(call, answer, self._origin)
        return answer

    def _apart(self, request: Request) -> Answer:
        if request.method in LISTS and self._reaches(request.endpoint, request.identity):
            return self._lists.answer(request)
        return settle.refused(request, Refused(Reason.UNKNOWN_TARGET, "not without a stream"), "")
