"""What one caller holds: what its calls can be made under, worked out once for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.cover import Cover, cover
from gateway.core.grant import Chain
from gateway.core.model import WorkloadIdentity
from gateway.values import Value


class Held(Value):
    """What one caller works under."""

    identity: WorkloadIdentity
    covers: tuple[Cover, ...]
    """By its grants in force, oldest first."""
    by_role: Cover | None
    """Set for one who never had a grant."""
    until: int = 0
    """When the first of them is over by its time."""
    is_bounded: bool = False
    """Does one of them bound arguments?"""


def under(identity: WorkloadIdentity, chains: Sequence[Chain]) -> Held:
    """By these, oldest first; by its role where there are none."""
    if not chains:
        return Held(identity, (), cover(identity))
    until = min(grant.expires_at for chain in chains for grant in chain)
    covers = tuple(cover(identity, chain) for chain in chains)
    return Held(identity, covers, None, until, any(one.bounded for one in covers))
