"""`bulkhead policy explain`, as text for people and as JSON for programs. It formats and decides nothing."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.visible import visible
from gateway.core.model import Decision, Effect
from gateway.policy.explain import Explanation
from gateway.policy.refused import Refusal
from gateway.policy.snapshot import PolicySnapshot
from gateway.ports import CallRow


def print_explanation(
    policy: PolicySnapshot, told: Explanation | None, row: CallRow | None, refused: Refusal | None
) -> None:
    """A few lines: what was recorded, the class, the answer, then every rule in question."""
    if row is not None:
        _print_record(row, refused)
        click.echo(f"now       under {policy.version[:19]}")
    if told is None:
        click.echo("          it named nothing a policy could speak of")
        return
    decision, classified = told.reply.decision, told.reply.classified
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
    for duty in decision.obligations:
        never = duty.name == "hold" and classified and classified.effect is Effect.READ
        more = ", and a read cannot be held: refused" if never else ""
        click.echo(f"duty      {duty.name} by {duty.rule} ({duty.where}){more}")
    if _needs_grant(policy, told):
        tier = classified.tier if classified else ""
        click.echo(f"grant     needed: a role alone is not enough in tier {tier}")
    if told.doubts:
        click.echo(f"not kept  {visible(', '.join(told.doubts))}: it may be decided otherwise")
    for shadow in decision.shadows:
        click.echo(f"on trial  {shadow.rule} ({shadow.where}) would deny it")
    for rule in told.considered:
        why = f"fails on {', '.join(rule.failed)}" if rule.failed else "matches"
        click.echo(f"  {rule.id:<8} {rule.effect:<10}  {why}  ({rule.where})")


def _print_record(row: CallRow, refused: Refusal | None) -> None:
    was = row.record
    click.echo(f"recorded  {row.state} {was.rule} {was.where} under {was.policy_version[:19]}")
    if refused is None:
        return
    step = refused.step
    click.echo(f"refused   at step {step.number}, {step.name}: {refused.reason}")
    for name, text in (("because", refused.detail), ("nearest", refused.near), ("see", step.look)):
        if text:
            click.echo(f"{name:<9} {visible(text)}")


def _needs_grant(policy: PolicySnapshot, told: Explanation) -> bool:
    """Is it refused all the same, without a grant for its task?"""
    decision, classified = told.reply.decision, told.reply.classified
    if not decision.permitted or classified is None:
        return False
    return classified.tier not in policy.intents.standing


def _answer(decision: Decision) -> str:
    word = "allowed" if decision.permitted else "denied"
    by = f"by {decision.rule} ({decision.where})" if decision.rule else str(decision.reason)
    why = f": {visible(decision.near_miss)}" if decision.near_miss else ""
    return f"{word:<9} {by}{why}"


def as_json(
    policy: PolicySnapshot, told: Explanation | None, row: CallRow | None, refused: Refusal | None
) -> dict[str, Any]:
    """The same, one object. `recorded` is null for a call of your own; `refused` for one that was not."""
    return {
        "policy_version": policy.version,
        **(_now(policy, told) if told else {"permitted": False, "served": False, "considered": []}),
        "recorded": row
        and {
            "call_id": row.record.call_id,
            "state": row.state,
            "rule": row.record.rule,
            "where": row.record.where,
            "policy_version": row.record.policy_version,
        },
        "refused": refused
        and {
            "step": refused.step.number,
            "name": refused.step.name,
            "reason": refused.reason,
            "detail": refused.detail,
            "nearest": refused.near,
            "see": refused.step.look,
        },
    }


def _now(policy: PolicySnapshot, told: Explanation) -> dict[str, Any]:
    decision, classified = told.reply.decision, told.reply.classified
    return {
        "permitted": decision.permitted and told.served,
        "served": told.served,
        "grant_needed": _needs_grant(policy, told),
        "reason": decision.reason,
        "rule": decision.rule,
        "where": str(decision.where) if decision.where else None,
        "near_miss": decision.near_miss,
        "duties": [duty.rule for duty in decision.obligations],
        "shadows": [shadow.rule for shadow in decision.shadows],
        "not_kept": list(told.doubts),
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
    }
