"""`bulkhead policy test`: the cases of tests.yaml, and what they would not notice.

Exit status 1: a case fails, or a rule is the reason for none; with --mutate, or could be changed unnoticed.
2: unreadable files.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gateway import settings
from gateway.cli.options import print_json, usual_options
from gateway.errors import Misconfigured
from gateway.policy import cases, load
from gateway.policy.cases import Result
from gateway.policy.mutants import Tried, mutate


@click.command("test")
@click.option("--mutate", "mutating", is_flag=True, help="Also change every rule, one at a time.")
@usual_options
def command(mutating: bool, config: Path, as_json: bool) -> None:
    """Play the cases of tests.yaml; every rule must be the reason for one of them.

    With --mutate every rule is flipped, removed and widened, one change at a time, and a case must fail
    for each; a change that none notices is printed with the rule's place. It is not tried where the cases
    fail as they are.
    """
    loaded = settings.load(config)
    policy = load(loaded.policy_dir, loaded.servers)
    results = cases.run(policy)
    unreached = cases.unreached(policy, results)
    failed = [result for result in results if result.problem]
    tried = mutate(policy, results) if mutating and not failed else None
    if as_json:
        print_json({"version": policy.version, **_as_json(results, unreached, tried)})
    else:
        _print(results, unreached, tried)
    sys.exit(1 if failed or unreached or (tried and tried.survivors) else 0)


def _as_json(
    results: Sequence[Result], unreached: Sequence[Misconfigured], tried: Tried | None
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "cases": [
            {"tells": r.case.tells, "where": str(r.where), "problem": r.problem} for r in results
        ],
        "unreached": [{"message": u.message, "where": str(u.where)} for u in unreached],
    }
    if tried is not None:
        found["mutants"] = tried.mutants
        found["survivors"] = [
            {"rule": one.rule.id, "change": one.change, "where": str(one.rule.where)}
            for one in tried.survivors
        ]
    return found


def _print(
    results: Sequence[Result], unreached: Sequence[Misconfigured], tried: Tried | None
) -> None:
    failed = [result for result in results if result.problem]
    for result in failed:
        click.echo(f"failed: {result.where}: {result.case.tells}: {result.problem}")
    for error in unreached:
        click.echo(f"unreached: {error}")
    for one in tried.survivors if tried else ():
        click.echo(f"survived: {one.rule.where}: {one.rule.id} {one.change}: no case fails")
    click.echo(f"{len(results)} cases, {len(failed)} failed, {len(unreached)} rules unreached")
    if tried is not None:
        click.echo(f"{tried.mutants} mutants, {len(tried.survivors)} survived")
