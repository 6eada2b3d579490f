"""How many requests are in work: over all agents, and of each. One agent never has the last quarter."""

from __future__ import annotations

from gateway.core.model import WorkloadIdentity
from gateway.wire.agents.answering import overloaded

Agent = tuple[str, str, str]
"""Whose share it is: an agent's own, for how many it may act."""


class InWork:
    """Counts; only ever touched from the event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_each = most - most // 4
        self._all = 0
        self._each: dict[Agent, int] = {}

    def enter(self, identity: WorkloadIdentity) -> Agent:
        """One more, and whose. Raises `Rejected` (503) when there are too many, or too many of this agent's."""
        agent = (identity.issuer, identity.tenant, identity.agent)
        each = self._each.get(agent, 0)
        if self._all >= self._most or each >= self._most_each:
            raise overloaded()
        self._all += 1
        self._each[agent] = each + 1
        return agent

    def leave(self, agent: Agent) -> None:
        """One less."""
        self._all -= 1
        each = self._each.pop(agent) - 1
        if each:
            self._each[agent] = each
