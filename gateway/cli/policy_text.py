"""`bulkhead policy explain`, as text for people and as JSON for programs. It formats and decides nothing."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.visible import visible
from gateway.core.model import Decision
from gateway.policy.explain import Explanation
from gateway.policy.snapshot import PolicySnapshot
from gateway.ports import CallRow


def print_explanation(policy: PolicySnapshot, told: Explanation, row: CallRow | None) -> None:
    """A few lines: what was recorded, the class, the answer, then every rule in question."""
    decision, classified = told.reply.decision, told.reply.classified
    if row is not None:
        was = row.record
        click.echo(f"recorded  {row.state} {was.rule} {was.where} under {was.policy_version[:19]}")
        click.echo(f"now       under {policy.version[:19]}")
    if classified is not None:
        target = classified.resolved.target
        click.echo(
            f"class     {visible(target.policy_name)} of {target.server}: {classified.tier},"
            f" {classified.effect}, to {visible(classified.destination)} ({classified.where})"
        )
        if not told.served:
            path = classified.resolved.request.endpoint.path
            click.echo(f"refused   other_tier: {path} does not serve {classified.tier}")
    click.echo(f"roles     {', '.join(sorted(told.roles)) or 'none in this tenant'}")
    click.echo(_answer(decision))
    for shadow in decision.shadows:
        click.echo(f"on trial  {shadow.rule} ({shadow.where}) would deny it")
    for rule in told.considered:
        why = f"fails on {', '.join(rule.failed)}" if rule.failed else "matches"
        click.echo(f"  {rule.id:<8} {rule.effect:<10}  {why}  ({rule.where})")


def _answer(decision: Decision) -> str:
    word = "allowed" if decision.permitted else "denied"
    by = f"by {decision.rule} ({decision.where})" if decision.rule else str(decision.reason)
    why = f": {visible(decision.near_miss)}" if decision.near_miss else ""
    return f"{word:<9} {by}{why}"


def as_json(policy: PolicySnapshot, told: Explanation, row: CallRow | None) -> dict[str, Any]:
    """The same, one object. `recorded` is null for a call of your own."""
    decision, classified = told.reply.decision, told.reply.classified
    return {
        "policy_version": policy.version,
        "permitted": decision.permitted and told.served,
        "served": told.served,
        "reason": decision.reason,
        "rule": decision.rule,
        "where": str(decision.where) if decision.where else None,
        "near_miss": decision.near_miss,
        "duties": [duty.rule for duty in decision.obligations],
        "shadows": [shadow.rule for shadow in decision.shadows],
        "class": classified
        and {
            "tier": classified.tier,
            "effect": classified.effect,
            "destination": classified.destination,
            "where": str(classified.where),
        },
        "roles": sorted(told.roles),
        "considered": [
            {"id": r.id, "effect": r.effect, "failed": r.failed, "where": str(r.where)}
            for r in told.considered
        ],
        "recorded": row
        and {
            "call_id": row.record.call_id,
            "state": row.state,
            "rule": row.record.rule,
            "where": row.record.where,
            "policy_version": row.record.policy_version,
        },
    }
