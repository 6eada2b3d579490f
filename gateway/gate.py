"""The gate behind every agent-facing wire: lists come from the catalogue, all else goes down the Line.

It knows endpoints and the ports; no HTTP, no JSON-RPC framing, no tool server's transport.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.core.decide import question, served_tiers
from gateway.core.model import (
    Answer,
    Endpoint,
    Entry,
    Evidence,
    Request,
    Resolved,
    WorkloadIdentity,
)
from gateway.errors import Refused
from gateway.pep import Line
from gateway.ports import About, Channel, Policies, Shelves, Verifier
from gateway.turned_away import TurnedAway

LISTS: Final = frozenset(
    {"tools/list", "prompts/list", "resources/list", "resources/templates/list"}
)


class FrontGate:
    """`ports.Gate`, wired to one gateway's parts."""

    def __init__(
        self,
        *,
        line: Line,
        shelves: Shelves,
        policies: Policies,
        verifier: Verifier,
        turned_away: TurnedAway,
        seconds: Callable[[], int],
    ) -> None:
        """`seconds` gives the time since the epoch."""
        self._line = line
        self._shelves = shelves
        self._policies = policies
        self._verifier = verifier
        self._turned_away = turned_away
        self._seconds = seconds

    def identify(self, evidence: Evidence) -> WorkloadIdentity:
        """See `ports.Gate`."""
        try:
            return self._verifier.verify(evidence, self._seconds())
        except Refused as no:
            self._turned_away.note(evidence.endpoint, no)
            raise

    def about(self, endpoint: Endpoint, identity: WorkloadIdentity) -> About:
        """See `ports.Gate`."""
        return self._shelves.about(endpoint)

    async def answer(self, request: Request, channel: Channel) -> Answer:
        """See `ports.Gate`."""
        if request.method in LISTS:
            return self._shelves.list(request, self._visible(request))
        return await self._line.call(request, channel)

    def _visible(self, request: Request) -> Callable[[Entry], bool]:
        """A list shows an entry if and only if some call of it would be allowed, here and now."""
        policy = self._policies.current
        tiers = served_tiers(request.endpoint, request.identity)

        def visible(entry: Entry) -> bool:
            try:
                classes = policy.possible(Resolved(request, entry.target, entry, {}))
            except Refused:
                return False
            return any(
                one.tier in tiers
                and policy.decide(replace(question(one), arguments=None)).permitted
                for one in classes
            )

        return visible
