"""A grant as programs see it: one JSON object, the same on the command line and over HTTP. Pure."""

from __future__ import annotations

from gateway.core.grant import Standing
from gateway.core.model import JsonObject


def as_json(row: Standing, now: int) -> JsonObject:
    """Everything there is to know of it. `now`, and times in it: microseconds since the epoch."""
    grant, terms = row.grant, row.grant.terms
    return {
        "id": grant.id,
        "state": row.word(now),
        "said": row.said,
        "agent": grant.agent,
        "tenant": grant.tenant,
        "on_behalf_of": grant.on_behalf_of,
        "task": grant.task,
        "intent": grant.intent,
        "parent": grant.parent,
        "root": grant.root,
        "depth": grant.depth,
        "tiers": sorted(terms.tiers),
        "tools": list(terms.tools),
        "destinations": list(terms.destinations),
        "bounds": dict(terms.bounds),
        "within": dict(terms.within),
        "limits": limits(row),
        "left": {"uses": row.uses, "writes": row.writes, "bytes": row.bytes},
        "used": row.used,
        "strict_flow": terms.strict_flow,
        "created_by": grant.created_by,
        "created_at": grant.created_at,
        "expires_at": grant.expires_at,
    }


def limits(row: Standing) -> dict[str, int]:
    """What it was given at most, by name; nothing for what has no limit."""
    terms = row.grant.terms
    names = ("uses", "writes", "bytes", "per_minute", "burst", "seconds", "idle")
    values = {name: getattr(terms, name) for name in names}
    if terms.per_minute is None:
        del values["burst"]
    return {name: value for name, value in values.items() if value is not None}
