"""`bulkhead policy`: reads the policy as the gateway would and says what it found.

Exit status 1: a finding that is an error, a call that is denied. 2: unreadable files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import click

from gateway import settings
from gateway.cli import named, policy_diff, policy_replay, policy_suggest, policy_test, policy_text
from gateway.cli.options import print_json, read_json, usual_options
from gateway.cli.reading import call_named, reader_of
from gateway.core.model import Endpoint
from gateway.core.record import State
from gateway.core.reverse import Guard, Level, Reversal
from gateway.errors import Misconfigured
from gateway.policy import cases, lint, load
from gateway.policy.asking import Asked, endpoint_at, target
from gateway.policy.explain import explain
from gateway.policy.recalled import Recalled, recall
from gateway.policy.refused import refusal
from gateway.policy.rehearse import Rehearsal
from gateway.policy.snapshot import PolicySnapshot
from gateway.ports import CallRow, JournalReader
from gateway.settings import Settings
from gateway.values import replace


@click.group()
def command() -> None:
    """Check, test, explain and rehearse the policy."""


@command.command()
@usual_options
def check(config: Path, as_json: bool) -> None:
    """Read every policy file strictly, then look for rules that cannot do what they seem to."""
    loaded, policy = _open(config)
    cases.read(policy)
    findings = lint.lint(policy, loaded.servers)
    errors = [finding for finding in findings if finding.severity == "error"]
    if as_json:
        print_json(
            {
                "version": policy.version,
                "rules": len(policy.book.rules),
                "findings": [
                    {"severity": f.severity, "message": f.message, "where": str(f.where)}
                    for f in findings
                ],
            }
        )
    else:
        for finding in findings:
            click.echo(f"{finding.severity}: {finding.where}: {finding.message}")
        click.echo(f"{len(policy.book.rules)} rules, {len(errors)} errors, {policy.version[:19]}")
    sys.exit(1 if errors else 0)


@command.command(name="explain")
@click.argument("call_id", required=False)
@click.option("--agent", help="Who asks: agent:NAME, or just NAME.")
@click.option("--server", help="The tool server's id.")
@click.option("--tool", help="Its tool, or prompt:NAME, resource:URI, method:NAME.")
@click.option("--arguments", default="{}", show_default=True, help="A JSON object.")
@click.option("--tenant", default=None, help="Default: the settings' tenant.")
@click.option("--intent", default="general", show_default=True, help="The task's intent.")
@click.option("--task", default="none", show_default=True, help="The task's id.")
@click.option("--for", "on_behalf_of", default="", help="On whose behalf, e.g. user:ada.")
@click.option("--endpoint", default="/mcp", show_default=True, help="Where the call comes in.")
@usual_options
def explain_command(call_id: str | None, config: Path, as_json: bool, **words: str | None) -> None:
    """Why a call would be decided as it would: one from the journal (CALL_ID), or one of your own.

    Of a refusal on record it names the step of the Line, the reason and what comes nearest. A recorded
    call is also asked anew of the policy as it is now, at the level it had. Where that depends on what the
    journal did not keep in clear, it says so.
    """
    loaded, policy = _open(config)
    row, call = None, None
    if call_id is None:
        asked: Asked | None = _asked(loaded, words)
    else:
        row, call = _recorded(reader_of(loaded), call_id)
        asked = _asked_again(row, call)
    told = None if asked is None else explain(policy, asked)
    if told is not None and call is not None:
        told = replace(told, doubts=Rehearsal(policy, loaded.companions).possible(call).doubts)
    classified = told.reply.classified if told else None
    refused = None
    if row is not None:
        refused = refusal(policy, row, classified, _names(loaded, row.record.endpoint))
    if as_json:
        print_json(policy_text.as_json(policy, told, row, refused))
    else:
        policy_text.print_explanation(policy, told, row, refused)
    sys.exit(0 if told and told.reply.decision.permitted and told.served else 1)


for _one in (policy_test, policy_replay, policy_diff, policy_suggest):
    command.add_command(_one.command)


def _open(config: Path) -> tuple[Settings, PolicySnapshot]:
    loaded = settings.load(config)
    return loaded, load(loaded.policy_dir, loaded.servers)


def _asked(loaded: Settings, words: Mapping[str, str | None]) -> Asked:
    agent, server, tool = words["agent"], words["server"], words["tool"]
    if not (agent and server and tool):
        raise click.UsageError("give a CALL_ID, or --agent, --server and --tool")
    return Asked(
        named.agent(agent),
        target(server, tool),
        read_json((words["arguments"] or "{}").encode(errors="surrogateescape"), "--arguments"),
        words["tenant"] or loaded.tenant,
        words["intent"] or "",
        words["task"] or "",
        _endpoint(words["endpoint"] or ""),
        on_behalf_of=words["on_behalf_of"] or "",
    )


def _recorded(reader: JournalReader, call_id: str) -> tuple[CallRow, Recalled | None]:
    row = call_named(call_id, reader)
    if row.state is State.NOTED:
        raise Misconfigured(f"{row.record.call_id} is no call: it notes {row.record.method}")
    if row.record.agent.startswith("bulkhead:"):
        its = f"{row.record.call_id} is the gateway's own read {row.record.where}"
        raise Misconfigured(f"{its}: no policy is asked about it")
    call = recall(reader.lines(row.record.call_id)[0])
    return row, call if isinstance(call, Recalled) else None


def _names(loaded: Settings, endpoint: str) -> list[str]:
    """Approved tools and prompts by the names agents use at an endpoint."""
    from gateway.catalogue import names, pins

    approved = pins.load(loaded.policy_dir, loaded.servers).by_target
    server = endpoint.removeprefix("/servers/").removesuffix("/mcp")
    if endpoint.startswith("/servers/"):
        return [target.name for target in approved if target.server == server]
    return sorted(names.name_all(approved).by_target.values())


def _asked_again(row: CallRow, call: Recalled | None) -> Asked | None:
    """The same question; None for a call that came to no target a policy could speak of."""
    record, level = row.record, call and call.level
    if not record.server or not record.target:
        return None
    guard = cast("Guard", call.guard or "none") if call else "none"
    return Asked(
        record.agent,
        call.target if call else target(record.server, record.target),
        dict(record.arguments),
        record.tenant,
        record.intent,
        record.task,
        _endpoint(record.endpoint),
        Reversal(Level(level), guard=guard) if level else None,
        record.on_behalf_of,
    )


def _endpoint(path: str) -> Endpoint:
    try:
        return endpoint_at(path)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
