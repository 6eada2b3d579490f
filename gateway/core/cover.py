"""What one call is made under, and what it takes from it in the commit of its intent. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from gateway.core.flow import Passage, passage, root_of
from gateway.core.grant import Chain, Spend
from gateway.core.model import Classified, WorkloadIdentity
from gateway.core.record import ONLY_READS, Claim
from gateway.core.tasks import is_about_a_task
from gateway.values import Value


class Cover(Value):
    """Step 7's answer: what a call is made under, and what follows from that alone. Made by `cover`: one that was made
    without what its chain asks for would spend nothing and let all out."""

    chain: Chain
    """Empty where a standing role was enough."""
    root: str
    """Whose labels its reads raise (`core.flow.root_of`)."""
    grant: str
    """The call's own grant, the first of the chain; empty when there is none."""
    own: str
    """The root of its agent's own task."""
    ids: tuple[str, ...]
    """Of the chain."""
    bounded: Chain
    """Those of the chain that bound arguments."""
    is_limited: bool
    """Does a read use something up?"""
    counts_bytes: bool
    is_strict: bool
    """Nothing leaves once something was read (`Terms.strict_flow`)."""


def cover(identity: WorkloadIdentity, chain: Chain = ()) -> Cover:
    """What every call of this caller under this chain is made under; without one, by its role."""
    own = root_of(identity.tenant, identity.task)
    terms = [grant.terms for grant in chain]
    return Cover(
        chain,
        root_of(identity.tenant, chain[0].root_task) if chain else own,
        chain[0].id if chain else "",
        own,
        tuple(grant.id for grant in chain),
        tuple(grant for grant in chain if grant.terms.bounds),
        any(grant.is_limited for grant in chain),
        any(one.bytes is not None for one in terms),
        any(one.strict_flow for one in terms),
    )


def claims(
    cover: Cover,
    classified: Classified,
    now: Callable[[], int],
    approved: bool = False,
) -> tuple[Claim, ...]:
    """What a call takes when its intent is written. `now` is asked only when some grant counts. `approved`: a person
    has let this very call out."""
    spend = _spend(cover, classified, now)
    way_out = passage(classified.flow, cover.root, cover.is_strict, approved, cover.own)
    if way_out is None:
        return () if spend is None else (spend,)
    return (way_out,) if spend is None else (spend, way_out)


def can_fail(claims: Iterable[Claim]) -> bool:
    """Whether a call must wait until its claims are taken before it is forwarded, also if it only reads."""
    for claim in claims:
        if not isinstance(claim, Passage) or claim.out is not None:
            return True
    return False


def _spend(cover: Cover, classified: Classified, now: Callable[[], int]) -> Spend | None:
    """None when there is nothing it could use up. The write of a task was paid for by the call that made it."""
    if not cover.chain:
        return None
    is_read = classified.effect is ONLY_READS or is_about_a_task(classified.resolved.request)
    if is_read and not cover.is_limited:
        return None
    size = _size(classified) if cover.counts_bytes else 0
    return Spend(cover.ids, 0 if is_read else 1, size, now())


def _size(classified: Classified) -> int:
    """Bytes of the arguments as JSON."""
    return len(json.dumps(classified.resolved.arguments, ensure_ascii=False).encode())
