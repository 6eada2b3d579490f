"""The policy for commands that seldom ask it: read with the first question, which fails when it cannot be read.

Grants and tickets can be looked at without one.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.policy.snapshot import PolicySnapshot


class PoliciesWhenAsked:
    """`ports.Policies` of a process that ends soon."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def current(self) -> PolicySnapshot:
        """Raises `Misconfigured` at file:line."""
        from gateway.policy.live import LivePolicies

        return LivePolicies(self._settings.policy_dir, self._settings.servers).current
