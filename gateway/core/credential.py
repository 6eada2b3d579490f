"""Credentials for tool servers: who one is for, what it is, and the states of its lease. Pure.

Laws:
1. A credential is chosen by a verified identity, the grant it works under, the server and the tier. No
   word of an agent is among these.
2. Nothing that names a lease holds the secret: not its row, not its line in the journal.
3. A lease ends when the first of these does: what it works for, its provider's own term, 15 minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from gateway.core.cover import Cover
from gateway.core.fence import Caught
from gateway.core.model import Classified, Tier
from gateway.core.over import Over
from gateway.core.record import Claim
from gateway.values import Value, field

ITSELF: Final = "bulkhead"
"""Who the gateway's own reads and undos are for. No token can name it: agents are `agent:<name>`."""

Key = tuple[str, str, str, str, Tier]
"""Issuer, tenant, agent, grant or task, tier: one credential of a server for each."""


class Behalf(Value):
    """Who a call is made for, as the Line has established it."""

    classified: Classified
    cover: Cover


class Account(Value):
    """What a credential is for. `ends_at`: microseconds since the epoch; None: no end of its own."""

    issuer: str
    tenant: str
    agent: str
    task: str
    grants: tuple[str, ...]
    """The grant it works under and all above it; empty where a standing role is enough."""
    tier: Tier
    ends_at: int | None
    token: str = ""
    """Id of the agent's token, for providers that show it to an authorization server."""
    endpoint: str = ""
    """Where that token was shown."""

    @property
    def key(self) -> Key:
        return (self.issuer, self.tenant, self.agent, "/".join(self.grants) or self.task, self.tier)

    @property
    def is_ours(self) -> bool:
        """The gateway's own: for catalogues, pre-images and undos."""
        return self.agent == ITSELF


def account(behalf: Behalf) -> Account:
    """Who a call is made for, and until when at most: its grants, or the token where there are none."""
    classified, chain = behalf.classified, behalf.cover.chain
    request = classified.resolved.request
    identity = request.identity
    ends = [grant.expires_at for grant in chain] or [identity.expires_at * 1_000_000]
    return Account(
        issuer=identity.issuer,
        tenant=identity.tenant,
        agent=identity.agent,
        task=identity.task,
        grants=behalf.cover.ids,
        tier=classified.tier,
        ends_at=min(ends),
        token=identity.token_id,
        endpoint=request.endpoint.path,
    )


def our_own(tenant: str, tier: Tier) -> Account:
    """The gateway's own account."""
    return Account("gateway", tenant, ITSELF, "", (), tier, None)


class Credential(Value):
    """What goes with a message: headers over HTTP, variables into a process. Never printed."""

    lease: str
    headers: tuple[tuple[str, str], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    over: Over = field(default_factory=Over)
    turned_away: Over = field(default_factory=Over)
    """Said by whoever showed it to its server, when that would not have it."""
    hide: Callable[[str], str] = str
    """A text with every secret of this server's credentials taken out."""

    def __repr__(self) -> str:
        return f"Credential({self.lease})"


class LeaseState(StrEnum):
    """Where the lease of a credential stands."""

    PENDING = "pending"
    """Its provider is asked. Written down before, so that nothing it makes is ever nobody's."""
    ACTIVE = "active"
    REVOKING = "revoking"
    REVOKED = "revoked"
    """Its provider says that it is good for nothing any more."""
    LASTING = "lasting"
    """The gateway has forgotten it, and its provider cannot call it back: it is good until its own term."""
    EXPIRED = "expired"
    """Its own term has passed, and there was nothing else to end."""
    FAILED = "failed"
    """Nothing was issued."""
    REVOKE_FAILED = "revoke_failed"
    """Its own term has passed, and its provider never said that it is gone. For a person."""


LIVE: Final = frozenset({LeaseState.PENDING, LeaseState.ACTIVE, LeaseState.REVOKING})
"""There is something to end yet."""


class CredentialLease(Value):
    """One credential on record, without the secret. Times: microseconds since the epoch."""

    id: str
    server: str
    provider: str
    tier: str
    tenant: str
    agent: str
    task: str
    grants: tuple[str, ...]
    run: str
    """The gateway process that has the secret."""
    state: LeaseState
    ref: str
    """What its provider knows it by. No secret."""
    asked_at: int
    ends_at: int
    """When the gateway lets go of it."""
    expires_at: int | None
    """When it is good for nothing by itself; None: never, or nobody knows."""
    changed_at: int
    attempts: int = 0
    said: str = ""
    """Why it ended, or could not be ended."""

    @property
    def caught(self) -> Caught:
        """As fences see it."""
        return Caught(self.agent, self.tenant, self.task, self.grants, self.server, self.tier)

    @property
    def is_ours(self) -> bool:
        """The gateway's own: what undoes must work while agents are fenced."""
        return self.agent == ITSELF


class Moved(Claim):
    """A lease's row as it now stands, as part of the line that tells of it."""

    lease: CredentialLease
