"""The grants that may be in force, by their ids and by the agent and task they are for.

A task whose grants are all over leaves nothing here: there is one for every piece of work there ever was.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.grant import Grant

Key = tuple[str, str, str]
"""Tenant, agent, task."""


class InForce:
    """Oldest first."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._ids: dict[Key, dict[str, None]] = {}

    def __len__(self) -> int:
        """How many agents' tasks have one."""
        return len(self._ids)

    @property
    def all(self) -> Sequence[Grant]:
        return [*self._grants.values()]

    def find(self, grant_id: str) -> Grant | None:
        """The one of this id."""
        return self._grants.get(grant_id)

    def of(self, key: Key) -> Sequence[Grant]:
        """Those of one agent's task."""
        return [self._grants[one] for one in self._ids.get(key, ())]

    def add(self, grant: Grant) -> None:
        """It was given, or used since: what it says never changes."""
        self._grants.setdefault(grant.id, grant)
        self._ids.setdefault(_key(grant), {})[grant.id] = None

    def drop(self, grant: Grant) -> Grant | None:
        """It is over. Returns it as it was here."""
        key = _key(grant)
        ids = self._ids.get(key, {})
        ids.pop(grant.id, None)
        if not ids:
            self._ids.pop(key, None)
        return self._grants.pop(grant.id, None)


def _key(grant: Grant) -> Key:
    return grant.tenant, grant.agent, grant.task
