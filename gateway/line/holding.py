"""A call that waits before it is sent: for how long, what is written of it, what its agent hears, how it is read back.

Until it is sent it can be taken back whole, for nothing was done: level exact, strategy hold. It knows
no journal and no clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gateway.core import written
from gateway.core.decide import Decided
from gateway.core.model import (
    Answer,
    CallRecord,
    ClientFacts,
    Endpoint,
    Entry,
    Era,
    JsonObject,
    Request,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.core.record import Line, State, after_hold
from gateway.core.reverse import Level, Reversal
from gateway.core.validate import SchemaFault, compile_schema
from gateway.errors import Refused
from gateway.ports import Mark
from gateway.reasons import Reason
from gateway.values import Value, as_plain, replace

HOLD: Final = "hold"
"""The duty."""
DUTIES: Final = frozenset({"approve", HOLD})
"""All there are: the call that made a task has seen to them, for every later word about it."""
UNSENT: Final = Reversal(
    Level.EXACT, strategy="hold", guard="cas", fidelity="bytes", why="it has not been sent"
)
LASTS: Final = 3_600
"""Seconds after its time for which a held call's agent is who it was when it was held, though its token is over: so
long it may be sent by itself, and lent what its server wants."""
TO_COME: Final = frozenset(
    {Reason.UNKNOWN_TARGET, Reason.OVERLOADED, Reason.SERVER_UNAVAILABLE, Reason.INTERNAL}
)
"""Why a held call cannot be sent at its time, and perhaps can a little later; see `waits_on`."""


class Waiting(Value):
    """A held call, with all that sending it takes. Times: microseconds since the epoch."""

    call_id: str
    request: Request
    target: Target
    grant: str
    """What it was held under; empty for a role alone."""
    fulfilled: frozenset[str]
    """Names of duties that were seen to when it was held."""
    bound: JsonObject | None
    """What a person's leave among those is for."""
    release_at: int
    by: str
    """The operator who named this time; empty: the rule or the pack did."""


def waits_on(no: Refused) -> bool:
    """Does a held call that was refused so at its time stay held? Also where the rate of a grant has no room for it."""
    return no.too_soon or no.reason in TO_COME


def seconds(decided: Decided, reversal: Reversal, fulfilled: Collection[str]) -> int:
    """How long this call waits: the longest that a rule or its pack asks for; 0 when it may go."""
    if HOLD in fulfilled or decided.classified.resolved.request.method != "tools/call":
        return 0
    asked = [duty.seconds for duty in decided.decision.obligations if duty.name == HOLD]
    return max([*asked, reversal.hold_seconds])


def body(
    decided: Decided,
    release_at: int,
    fulfilled: Collection[str],
    bound: JsonObject | None,
    marks: Mapping[str, Mark],
    seal: Callable[[Any], JsonObject],
) -> JsonObject:
    """What the line of a held call says. Raises `Refused` for one that cannot be kept: with the rule that allowed it,
    so that nobody takes it for the policy's own no."""
    request, by = decided.classified.resolved.request, decided.decision
    try:
        if "redacted" in marks.values():
            raise ValueError("the journal may not keep it")
        kept = seal({**_as_json(request), "bound": bound})
    except ValueError as error:
        said = f"it cannot be held: {error}"
        raise Refused(Reason.NOT_REVERSIBLE, said, by.where, by.rule or "") from None
    until = {"release_at": release_at, "fulfilled": sorted({*fulfilled, HOLD})}
    return {**until, "request": kept, **written.intent_body(UNSENT, seal)}


def sent(call_id: str, entry: CallRecord, at: int, body: JsonObject | None) -> Line:
    """The intent of a call that was held: what it was decided on now stands in the line. `entry`: its record, or
    what that has in common with others."""
    decided = {"rule": entry.rule, "where": entry.where, "policy_version": entry.policy_version}
    return after_hold(call_id, at, State.INTENT, {**(body or {}), **decided})


def refused(entry: CallRecord, at: int, reason: str, detail: str) -> Line:
    """The end of a held call that may not be sent any more."""
    decided = {"rule": entry.rule, "where": entry.where, "policy_version": entry.policy_version}
    said = {"reason": reason, "detail": detail}
    return after_hold(entry.call_id, at, State.REFUSED, {**said, **decided})


def waiting(
    call_id: str, target: Target, grant: str, bodies: list[JsonObject], unseal: Any
) -> Waiting:
    """A held call, from the bodies of its lines. Raises `ValueError` when it cannot be opened here."""
    first, last = bodies[0], bodies[-1]
    kept, release_at = unseal(first["request"]), last["release_at"]
    bound, request = kept.pop("bound", None), _from_json(kept)
    until = max(request.identity.expires_at, release_at // 1_000_000 + LASTS)
    return Waiting(
        call_id,
        replace(request, identity=replace(request.identity, expires_at=until)),
        target,
        grant,
        frozenset(first["fulfilled"]),
        bound,
        release_at,
        last.get("by", ""),
    )


def answer(call_id: str, release_at: int, entry: Entry | None) -> Answer:
    """What the agent hears at once: a tool result, in the shape the tool promised where that can be.

    Where it cannot, only an error may go without: what is not of the tool's `outputSchema` makes clients throw the
    result away, an error too."""
    when = datetime.fromtimestamp(release_at / 1e6, UTC).isoformat(timespec="seconds")
    said = {"status": "held", "call_id": call_id, "release_at": when}
    text = json.dumps(said)
    result: JsonObject = {"content": [{"type": "text", "text": text}], "isError": False}
    schema = entry.descriptor.get("outputSchema") if entry else None
    structured = said if schema is None else _of_shape(schema, said, text)
    if structured is None:
        return Answer({**result, "isError": True})
    return Answer({**result, "structuredContent": structured})


def _of_shape(schema: Any, said: JsonObject, text: str) -> JsonObject | None:
    """It as the tool's results are: itself, or the text where the tool has one text to give."""
    try:
        check = compile_schema({"inputSchema": schema})
    except SchemaFault:
        return None
    required = schema.get("required") or []
    shapes = [said, *({name: text} for name in required[:1])]
    return next((shape for shape in shapes if check.check(shape) is None), None)


def _as_json(request: Request) -> JsonObject:
    plain = as_plain(replace(request, ear=None, frame=None))
    plain["identity"]["tiers"] = sorted(request.identity.tiers)
    # Ends with its session; is of this process; is in the params.
    del plain["ear"], plain["frame"], plain["client"]["said_in"]
    return plain


def _from_json(plain: JsonObject) -> Request:
    endpoint, identity = plain["endpoint"], plain["identity"]
    tier = endpoint["tier"] and Tier(endpoint["tier"])
    who = {**identity, "tiers": frozenset(map(Tier, identity["tiers"]))}
    return Request(
        **{
            **plain,
            "endpoint": Endpoint(**{**endpoint, "tier": tier}),
            "identity": WorkloadIdentity(**who),
            "era": Era(plain["era"]),
            "client": ClientFacts(**plain["client"]),
            "extra_headers": tuple((name, value) for name, value in plain["extra_headers"]),
        }
    )
