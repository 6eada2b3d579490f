"""`bulkhead policy suggest`: the least that would have been enough for one agent, as lines for policy.csv."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gateway import settings
from gateway.cli import named
from gateway.cli.journal_options import Since
from gateway.cli.options import print_json, usual_options
from gateway.cli.policy_replay import recalling
from gateway.cli.times import when
from gateway.cli.visible import visible
from gateway.policy import load, suggest_into
from gateway.policy.rules import AGENT
from gateway.policy.suggest import Calls, Suggestion, suggest
from gateway.values import as_plain


@click.command("suggest")
@click.option("--agent", required=True, help="agent:NAME, or just NAME.")
@click.option("--since", type=Since(), help="Calls begun since: 10m, 2h, 3d, or an ISO time.")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="Also write the whole policy that comes of it, into a new directory.",
)
@usual_options
def command(agent: str, since: int | None, into: Path | None, config: Path, as_json: bool) -> None:
    """The least privilege that would have been enough for an agent's recorded calls.

    Printed are lines for policy.csv: rules by the names of the tools it called, each with the calls behind
    it, a role of its own, and what has to go. Nothing is suggested that the policy in force does not allow;
    conditions, denies and duties stay as they are. What was refused counts for nothing.
    """
    if agent.startswith("operator:"):
        raise click.UsageError("operators' rules are not suggested: not all they do is a call")
    loaded = settings.load(config)
    policy = load(loaded.policy_dir, loaded.servers)
    name = named.agent(agent)
    if not AGENT.fullmatch(name):
        raise click.UsageError(f"{visible(name)} is no agent a policy could name")
    found = suggest(policy, name, recalling(loaded, since))
    text = "".join(f"{line}\n" for line in told(found, policy.version))
    if into is not None:
        suggest_into.write(policy, found, text, into, loaded.servers)
    if as_json:
        print_json(_as_json(found, policy.version))
    else:
        click.echo(text, nl=False)


def told(found: Suggestion, version: str) -> Iterator[str]:
    """Lines of policy.csv: ASCII, each remark on a line of its own."""
    total = sum(calls.count for rule in found.rules for calls in rule.tools.values())
    yield f"# The least for {found.agent}: {total} calls it was allowed, under {version[:19]}."
    for member in found.gone:
        line = ", ".join(("g", member.agent, member.role, member.tenant))
        yield f"# Take out: {line} ({member.where})"
    for orphan in found.orphans:
        yield f"# Take out: {orphan.id}, for then nobody has {orphan.row.role} ({orphan.where})"
    for why, calls in found.left.items():
        yield f"# No rule for {_calls(calls)}: {_ascii(why)}"
    for rule in found.rules:
        yield ""
        yield "# " + ", ".join(f"{one.id} ({one.where})" for one in rule.behind)
        for tool, calls in rule.tools.items():
            yield f"# {tool}: {_calls(calls)}"
        yield rule.line
    if found.carried:
        yield ""
    for carried in found.carried:
        yield f"# as {carried.rule.id} ({carried.rule.where})"
        yield carried.line
    yield ""
    yield from found.members


def _calls(calls: Calls) -> str:
    days = " to ".join(dict.fromkeys(when(at)[:10] for at in (calls.first, calls.last)))
    ids = " ".join(_ascii(call) for call in calls.ids)
    return f"{calls.count} calls, {days}: {ids}"


def _ascii(text: str) -> str:
    return visible(text).encode("ascii", "backslashreplace").decode("ascii")


def _as_json(found: Suggestion, version: str) -> dict[str, Any]:
    return {
        "agent": found.agent,
        "policy_version": version,
        "rules": [
            {
                "line": rule.line,
                "behind": [{"id": one.id, "where": str(one.where)} for one in rule.behind],
                "tools": {tool: as_plain(calls) for tool, calls in rule.tools.items()},
            }
            for rule in found.rules
        ],
        "carried": [{"line": one.line, "as": one.rule.id} for one in found.carried],
        "members": list(found.members),
        "take_out": [
            *(
                {"line": f"g, {m.agent}, {m.role}, {m.tenant}", "where": str(m.where)}
                for m in found.gone
            ),
            *({"line": rule.id, "where": str(rule.where)} for rule in found.orphans),
        ],
        "left": {why: as_plain(calls) for why, calls in found.left.items()},
    }
