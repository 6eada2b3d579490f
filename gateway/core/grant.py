"""What a task may do now: a grant's terms, what they cover, and when one is narrower than another. Pure.

Laws:
1. A call is covered when every grant from its own up to the root covers it. So a delegated grant can
   never give more than the one it came from, whatever it says itself.
2. What terms do not name they do not give: no tier, tool or destination is meant by silence.
3. Budgets are shared upward: a spend is taken from every grant of the chain, or from none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from gateway.core.model import Classified, JsonObject, Target, Tier, WorkloadIdentity
from gateway.core.record import Claim
from gateway.values import Value, field

MAX_DEPTH: Final = 4
"""Grants in a chain, the root included."""
MOST_CHILDREN: Final = 64
"""Grants in force that were handed on from one."""
MAX_ADMIN_SECONDS: Final = 900
"""How long a grant with the admin tier in it may last."""
_UNPLAIN: Final = re.compile(r"\.\.|//|\\|%(?:[01].|2[ef5]|5c|7f|c[01])", re.IGNORECASE)
"""A URI with one of these behind its `://` may lead elsewhere than it seems to, so no `*` covers it. Percent-encoded,
these count: a dot, a slash, a backslash, a percent sign, and bytes no text has. A blank or a letter is harmless."""

State = Literal["active", "completed", "revoked"]
Limit = int | None
"""None: no limit of its own."""


class Terms(Value, kw_only=True):
    """What is given. Tools are `server/tool` or `server/prefix*`, by their names in policy.csv."""

    tiers: frozenset[Tier]
    tools: tuple[str, ...]
    destinations: tuple[str, ...] = ("local",)
    """Hosts, `*.suffix`, or `*` for any."""
    bounds: Mapping[str, JsonObject] = field(default_factory=dict)
    """`server/tool` -> a JSON Schema its arguments must also pass."""
    within: Mapping[str, JsonObject] = field(default_factory=dict)
    """The same, said by the intent of what `bounds` bounds in other words: both must be passed."""
    uses: Limit = None
    writes: Limit = None
    """Calls that write or destroy."""
    bytes: Limit = None
    """Of arguments, as JSON."""
    per_minute: Limit = None
    burst: int = 1
    """Calls that may come at once under `per_minute`."""
    seconds: int
    """It lasts, from when it was given."""
    idle: Limit = None
    """Seconds without a call after which it is over."""
    strict_flow: bool = False
    """Nothing leaves once private or untrusted data was read; not only when both were."""

    @property
    def unasked_tiers(self) -> frozenset[Tier]:
        """Its tiers for who asks for none: without admin, which must be asked for, unless there is no other."""
        return self.tiers - {Tier.ADMIN} or self.tiers


class Grant(Value, kw_only=True):
    """Terms for one agent and one task. Times: microseconds since the epoch."""

    id: str
    tenant: str
    agent: str
    on_behalf_of: str = ""
    task: str
    intent: str
    terms: Terms
    parent: str = ""
    root: str
    depth: int = 1
    root_task: str
    """The task the whole chain works for: labels of what was read live there."""
    created_by: str
    created_at: int

    @property
    def expires_at(self) -> int:
        return self.created_at + self.terms.seconds * 1_000_000

    @property
    def is_limited(self) -> bool:
        """Does a read under it use something up?"""
        terms = self.terms
        limits = (terms.uses, terms.bytes, terms.per_minute, terms.idle)
        return any(limit is not None for limit in limits)

    def is_for(self, identity: WorkloadIdentity) -> bool:
        """A grant given for one person is not spent for another, where both are known."""
        return not identity.on_behalf_of or self.on_behalf_of in ("", identity.on_behalf_of)


class Standing(Value):
    """A grant as it stands: in force or not, and what is left of it."""

    grant: Grant
    state: State
    said: str
    """Who ended it, and why; of one in force, that its uses are used up."""
    rev: int
    """Larger than that of any change before."""
    used: int
    uses: Limit
    writes: Limit
    bytes: Limit
    used_at: int

    @property
    def ends_at(self) -> int:
        """When it is over by its time, or by lying idle unless it is used until then."""
        idle, ends = self.grant.terms.idle, self.grant.expires_at
        return ends if idle is None else min(ends, self.used_at + idle * 1_000_000)

    def word(self, now: int) -> str:
        """active, completed, revoked, expired or idle."""
        terms = self.grant.terms
        if self.state != "active":
            return self.state
        if self.grant.expires_at <= now:
            return "expired"
        idle = terms.idle is not None and self.used_at + terms.idle * 1_000_000 <= now
        return "idle" if idle else "active"


Chain = tuple[Grant, ...]
"""A grant, its parent, and so on up to the root."""


class Give(Claim):
    """A new grant, as part of the line that tells who gave it."""

    grant: Grant


class End(Claim):
    """The end of a grant and of all below it, as part of the line that tells who ended it."""

    grant: str
    state: State
    said: str


class Spend(Claim):
    """One call's share of every budget above it."""

    chain: tuple[str, ...]
    """Ids, the call's own grant first."""
    writes: int
    bytes: int
    at: int


def outside(terms: Terms, classified: Classified) -> str:
    """What of a call the terms do not give, in words; empty when they give all but the argument bounds."""
    target = classified.resolved.target
    if classified.tier not in terms.tiers:
        return f"tier {classified.tier}"
    if not _any_tool(terms.tools, target):
        return f"{target.server}/{target.policy_name}"
    if not any(_host_within(classified.destination, whole) for whole in terms.destinations):
        return f"destination {classified.destination}"
    return ""


def wider(child: Terms, parent: Terms) -> str:
    """The first thing of `child` that `parent` does not have, in words; empty when it is no wider.

    Argument bounds cannot widen: those of the whole chain are asked (law 1)."""
    more = [str(tier) for tier in sorted(child.tiers - parent.tiers)]
    if more:
        return f"tiers: {', '.join(more)}"
    for one in child.tools:
        if not any(_within(one, whole) for whole in parent.tools):
            return f"tools: {one}"
    for one in child.destinations:
        if not any(_host_within(one, whole) for whole in parent.destinations):
            return f"destinations: {one}"
    if parent.strict_flow and not child.strict_flow:
        return "strict_flow"
    return _larger(child, parent)


def _larger(child: Terms, parent: Terms) -> str:
    for name in ("uses", "writes", "bytes", "per_minute", "seconds", "idle"):
        mine, most = getattr(child, name), getattr(parent, name)
        if most is not None and (mine is None or mine > most):
            return f"{name}: {'no limit' if mine is None else mine}, of at most {most}"
    if parent.per_minute is not None and child.burst > parent.burst:
        return f"burst: {child.burst}, of at most {parent.burst}"
    return ""


def bounds_of(terms: Terms, target: Target) -> list[tuple[str, JsonObject]]:
    """Every bound that speaks of a target, by its pattern: also of one whose URI leads elsewhere."""
    own = f"{target.server}/{target.policy_name}"
    every = (*terms.bounds.items(), *terms.within.items())
    return [(name, bound) for name, bound in every if _within(own, name)]


def in_vain(terms: Terms) -> str:
    """What of some terms limits nothing, in words: whoever wrote it meant something else."""
    if terms.burst != 1 and terms.per_minute is None:
        return "burst: it needs a per_minute"
    for name in terms.bounds:
        if not any(_within(name, tool) or _within(tool, name) for tool in terms.tools):
            return f"bounds: {name} is none of the tools"
    return ""


def _any_tool(patterns: Sequence[str], target: Target) -> bool:
    name = f"{target.server}/{target.policy_name}"
    past = target.name.partition("://")[2] or target.name
    plain = target.kind != "resource" or not _UNPLAIN.search(past)
    return any(name == whole or (plain and _within(name, whole)) for whole in patterns)


def _within(one: str, whole: str) -> bool:
    """Is every name that `one` means, a name or a pattern, also meant by `whole`?"""
    return one == whole or (whole.endswith("*") and one.startswith(whole[:-1]))


def _host_within(one: str, whole: str) -> bool:
    """The same of hosts."""
    return whole == "*" or one == whole or (whole.startswith("*.") and one.endswith(whole[1:]))
