"""A person's leave for one call: the ticket an agent waits with, what it binds, who may give it. Pure.

Laws:
1. A ticket is for one call: `binding` holds all that is decided on, all that is forwarded and the level
   of undo that was shown. Another byte, another ticket.
2. Leave is used up in the commit of the call's intent. A second use finds it used.
3. Who asks, or is asked for, never gives it.
4. A window (break-glass) stands for the leave of one agent at one server, in the admin tier and for
   minutes. It gives no right: what the policy denies stays denied, and what a task may not let out stays in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from gateway.core.describe import beside
from gateway.core.model import Classified, JsonObject, Tier
from gateway.core.record import Claim
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import Value, field, replace

DUTY: Final = "approve"
UNSEEN: Final = "window"
"""Beside the duty, where a window has fulfilled it: nobody has seen the call."""
WAITING_SECONDS: Final = 3_600
LEAVE_SECONDS: Final = 900
"""How long a leave that was given can be used, and the longest a window stands open."""
LONGEST: Final = (WAITING_SECONDS + LEAVE_SECONDS) * 1_000_000
"""Microseconds from a question to when no leave that was given to it is good any more."""
MOST_WAITING: Final = 10
"""Tickets of one agent at a time."""
MOST_AN_HOUR: Final = 60
_WAITING: Final = "tickets waiting"
_AN_HOUR: Final = "tickets in an hour"
_OF_THE_TRY: Final = frozenset(
    {
        "progressToken",
        "traceparent",
        "tracestate",
        "baggage",
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/clientCapabilities",
        "io.modelcontextprotocol/logLevel",
    }
)
"""Members of `_meta` that change by themselves, or tell of the client and not of the call."""

Stand = Literal["waiting", "approved", "denied", "used", "closed"]


class Ticket(Value, kw_only=True):
    """A question to a person, and the answer. Times: microseconds since the epoch."""

    id: str
    digest: str
    """Keyed digest of `binding`, or `window:<agent>:<server>`."""
    kind: Literal["call", "window"] = "call"
    asked_by: str
    """`agent:<name>`; a window is asked for by an operator."""
    agent: str
    on_behalf_of: str = ""
    tenant: str
    task: str = ""
    server: str
    tool: str = ""
    tier: str
    effect: str = ""
    destination: str = ""
    arguments: JsonObject = field(default_factory=dict)
    """As the journal may keep them."""
    beside: JsonObject = field(default_factory=dict)
    """What else would be forwarded."""
    level: str = ""
    undo: str = ""
    """Why the level is what it is."""
    rule: str = ""
    call_id: str = ""
    """The call that was refused for want of it."""
    why: str = ""
    created_at: int
    expires_at: int
    stand: Stand = "waiting"
    decided_by: str = ""
    decided_at: int = 0
    said: str = ""
    used_by: str = ""
    """The last call that used it."""


class Leave(Claim):
    """The intent of `call_id` stands or falls with this ticket."""

    ticket: str
    call_id: str
    at: int
    by_window: bool = False


class Word(Claim):
    """What an operator says to a ticket."""

    ticket: str
    stand: Stand
    by: str
    at: int
    until: int
    """When a leave that is given ends."""
    said: str = ""


def binding(classified: Classified, grant: str, level: str) -> JsonObject:
    """All that an approval is bound to, as JSON. What is left out may differ between two tries."""
    resolved = classified.resolved
    identity, entry = resolved.request.identity, resolved.entry
    return {
        "agent": [identity.issuer, identity.agent, identity.tenant, identity.on_behalf_of],
        "task": [identity.task, identity.intent, grant],
        "method": resolved.request.method,
        "target": [resolved.target.server, resolved.target.policy_name],
        "descriptor": entry.digest if entry else "",
        "class": [classified.tier, classified.effect, classified.destination],
        "params": {name: value for name, value in resolved.params.items() if name != "_meta"},
        "meta": _meta(classified),
        "headers": [list(pair) for pair in resolved.request.extra_headers],
        "level": level,
    }


def shown_beside(classified: Classified) -> JsonObject:
    """What is forwarded beside the arguments, for a person to see."""
    request, meta = classified.resolved.request, _meta(classified)
    headers = [list(pair) for pair in request.extra_headers]
    more = {"_meta": meta, "headers": headers}
    return {**beside(classified.resolved), **{name: value for name, value in more.items() if value}}


def _meta(classified: Classified) -> JsonObject:
    """What else `_meta` says, a vendor's word or the protocol's: a server may act on it."""
    meta: Any = classified.resolved.params.get("_meta")
    members = meta if isinstance(meta, dict) else {}
    return {name: value for name, value in members.items() if name not in _OF_THE_TRY}


def answer_to(new: Ticket, known: Sequence[Ticket]) -> Ticket:
    """The ticket that answers this question: one of the agent's `known` ones, or the new one. A ticket of an agent of
    the same name in another tenant is not this agent's.

    A window is asked for by an operator: what its agent has asked for does not keep it out, nor that one was denied.

    Raises `Refused` (overloaded) when the agent has asked too much already."""
    known = [ticket for ticket in known if ticket.tenant == new.tenant]
    alive = [ticket for ticket in known if ticket.expires_at > new.created_at]
    same = {ticket.stand: ticket for ticket in alive if ticket.digest == new.digest}
    if new.kind == "window":
        return same.get("approved") or same.get("waiting") or new
    window = next((ticket for ticket in alive if _is_open_for(ticket, new)), None)
    found = same.get("approved") or same.get("denied") or window or same.get("waiting")
    if found is not None:
        return found
    waiting = sum(ticket.stand == "waiting" and ticket.kind == "call" for ticket in alive)
    if waiting >= MOST_WAITING:
        raise Refused(Reason.OVERLOADED, f"{new.agent} has {waiting} {_WAITING}")
    lately = new.created_at - 3_600_000_000
    recent = [t for t in known if t.created_at > lately and t.kind == "call"]
    if len(recent) >= MOST_AN_HOUR:
        raise Refused(Reason.OVERLOADED, f"{new.agent} had {len(recent)} {_AN_HOUR}")
    return new


def is_crowded(detail: str) -> bool:
    """Does a refusal as overloaded say that its agent has asked for too many tickets?"""
    return detail.endswith((_WAITING, _AN_HOUR))


def _is_open_for(window: Ticket, call: Ticket) -> bool:
    same = (window.agent, window.tenant, window.server) == (call.agent, call.tenant, call.server)
    is_open = window.kind == "window" and window.stand == "approved"
    return is_open and same and call.kind == "call" and call.tier == Tier.ADMIN


def used(ticket: Ticket | None, leave: Leave) -> Ticket:
    """The ticket after its use. Raises `Refused` (approval_needed) when it gives no leave now."""
    if ticket is None or ticket.stand != "approved" or ticket.expires_at <= leave.at:
        stand = "gone" if ticket is None else ticket.stand
        over = "expired" if stand == "approved" else stand
        said = f"{leave.ticket} (it is {over})"
        raise Refused(Reason.APPROVAL_NEEDED, said, ticket=leave.ticket)
    stand_after: Stand = "used" if ticket.kind == "call" else "approved"
    return replace(ticket, stand=stand_after, used_by=leave.call_id)


def decided(ticket: Ticket | None, word: Word) -> Ticket:
    """The ticket after an operator's word. Raises `Refused` (approval_denied) when it may not be said."""
    problem = objection(ticket, word)
    if problem or ticket is None:
        raise Refused(Reason.APPROVAL_DENIED, f"ticket {word.ticket}: {problem}")
    until = word.until if word.stand == "approved" else ticket.expires_at
    return replace(
        ticket,
        stand=word.stand,
        decided_by=word.by,
        decided_at=word.at,
        said=word.said,
        expires_at=until,
    )


_TAKES: Final[Mapping[str, tuple[Stand, ...]]] = {
    "closed": ("approved",),
    # Whoever let the wrong call can still say so: a leave is good until it is used.
    "denied": ("waiting", "approved"),
}


def objection(ticket: Ticket | None, word: Word) -> str:
    """Why this operator may not say this now; empty when nothing stands against it."""
    if ticket is None:
        return "there is none"
    if ticket.stand not in _TAKES.get(word.stand, ("waiting",)):
        return f"it is {ticket.stand}"
    if ticket.expires_at <= word.at:
        return "it has expired"
    if word.stand != "approved":
        return ""
    if not word.at < word.until <= word.at + LEAVE_SECONDS * 1_000_000:
        return f"leave is given for {LEAVE_SECONDS} seconds at most"
    asking = (ticket.asked_by, ticket.agent, ticket.on_behalf_of)
    if _person(word.by) in {name for one in asking for name in (one.casefold(), _person(one))}:
        return "who asks for it does not give it"
    return ""


def _person(name: str) -> str:
    """Without its kind. Who an agent acts for need not have one: it is called what its issuer calls it."""
    return name.partition(":")[2].casefold()
