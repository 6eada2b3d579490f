"""The grants that may be in force, by the agent and task they are for. A task whose grants are all over leaves nothing
here: there is one for every piece of work there ever was."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.grant import Grant

Key = tuple[str, str, str]
"""Tenant, agent, task."""


class InForce:
    """Their ids."""

    def __init__(self) -> None:
        self._ids: dict[Key, dict[str, None]] = {}

    def __len__(self) -> int:
        """How many agents' tasks have one."""
        return len(self._ids)

    def of(self, key: Key) -> Sequence[str]:
        """Oldest first."""
        return (*self._ids.get(key, ()),)

    def add(self, grant: Grant) -> None:
        """It was given, or used since."""
        self._ids.setdefault(_key(grant), {})[grant.id] = None

    def drop(self, grant: Grant) -> None:
        """It is over."""
        key = _key(grant)
        ids = self._ids.get(key, {})
        ids.pop(grant.id, None)
        if not ids:
            self._ids.pop(key, None)


def _key(grant: Grant) -> Key:
    return grant.tenant, grant.agent, grant.task
