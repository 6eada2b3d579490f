"""The agents' own tokens, in memory while they are good: for token exchange, and for nothing else.

They are kept only where a server is configured for it, go to its authorization server, and are never
written down. An agent that this gateway was started for (`bulkhead stdio --agent`) shows none: one is made for it
whenever one is needed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.core.credential import Account
from gateway.core.model import Endpoint, Evidence, WorkloadIdentity

MOST: Final = 4_096
Key = tuple[str, str, str]
"""Issuer, token id, and the endpoint it was shown at."""


class Tokens:
    """Of one gateway process."""

    def __init__(self, seconds: Callable[[], int]) -> None:
        """`seconds` since the epoch."""
        self._seconds = seconds
        self._kept: OrderedDict[Key, tuple[str, int]] = OrderedDict()
        self._mints: dict[Key, Callable[[], str]] = {}

    def mints(
        self, endpoint: Endpoint, identity: WorkloadIdentity, mint: Callable[[], str]
    ) -> None:
        """A caller who is this one for longer than any token is good: `mint` makes one when it is needed."""
        self._mints[identity.issuer, identity.token_id, endpoint.path] = mint

    def note(self, evidence: Evidence, identity: WorkloadIdentity) -> None:
        """A caller who has just been identified by this evidence."""
        if len(evidence.authorization) != 1:
            return  # identified by something else
        value = evidence.authorization[0]
        key = (identity.issuer, identity.token_id, evidence.endpoint.path)
        self._kept[key] = (value.partition(" ")[2], identity.expires_at)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def find(self, account: Account) -> str:
        """The token a call was made with; empty when it is not at hand, or over. What `mint` raises."""
        key = (account.issuer, account.token, account.endpoint)
        if key in self._mints:
            return self._mints[key]()
        token, expires_at = self._kept.get(key, ("", 0))
        if expires_at <= self._seconds():
            self._kept.pop(key, None)
            return ""
        return token
