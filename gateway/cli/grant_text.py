"""Grants, told to a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.cli.times import when
from gateway.cli.visible import visible
from gateway.core.grant import Standing
from gateway.grants.shown import limits


def line(row: Standing, now: int) -> str:
    """One grant on one line."""
    grant = row.grant
    whose = f"{visible(grant.agent)}  tenant {visible(grant.tenant)}"
    who = f"{whose}  task {visible(grant.task)}  {visible(grant.intent)}"
    left = "".join(f"  {one} left" for one in _left(row)) if row.word(now) == "active" else ""
    return f"{grant.id}  {row.word(now):<9}  {who}  until {when(grant.expires_at)}{left}"


def story(row: Standing, now: int) -> Iterator[str]:
    """One grant, whole."""
    grant, terms = row.grant, row.grant.terms
    ended = f" by {visible(row.said)}" if row.state != "active" else ""
    lines = {
        "grant": grant.id,
        "is": row.word(now) + ended,
        "for": f"{visible(grant.agent)}, task {visible(grant.task)}, tenant {visible(grant.tenant)}",
        "on behalf of": visible(grant.on_behalf_of),
        "intent": visible(grant.intent),
        "handed on from": grant.parent,
        "tiers": ", ".join(sorted(terms.tiers)),
        "tools": ", ".join(map(visible, terms.tools)),
        "destinations": ", ".join(map(visible, terms.destinations)),
        "bounds on": ", ".join(map(visible, terms.bounds)),
        "used": f"{row.used} calls",
        "left": ", ".join(_left(row)),
        "limits": ", ".join(f"{name} {value}" for name, value in limits(row).items()),
        "flow": "strict" if terms.strict_flow else "",
        "given": f"{when(grant.created_at)} by {visible(grant.created_by)}",
        "until": when(grant.expires_at),
    }
    for name, text in lines.items():
        if text:
            yield f"{name:<15} {text}"


def _left(row: Standing) -> list[str]:
    left = {"uses": row.uses, "writes": row.writes, "bytes": row.bytes}
    return [f"{value} {name}" for name, value in left.items() if value is not None]
