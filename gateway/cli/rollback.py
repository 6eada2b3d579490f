"""`bulkhead rollback`: what would be undone, and undo it. Works while gateways serve.

Exit status as docs/reference/rollback.md has it: the gravest verdict wins.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from gateway import settings
from gateway.cli import named, whose
from gateway.cli import rollback_text as told
from gateway.cli.journal_options import Since
from gateway.cli.operators import operator_option
from gateway.cli.options import confirm, print_json, told_if_it_can_be, usual_options
from gateway.core.fence import Fence, Scope
from gateway.core.model import JsonObject
from gateway.errors import JournalError, Refused
from gateway.reasons import Reason
from gateway.undo.plan import Choice
from gateway.undo.report import Report
from gateway.undo.rollback import Rollback
from gateway.undo.select import Wanted
from gateway.values import Value, replace

CONFLICTS_LEFT = 4
STEP_FAILED = 7
NOT_BELIEVED = 9


@click.command()
@click.argument("calls", nargs=-1)
@click.option("--task", "tasks", multiple=True, help="Of this task. May be given again.")
@click.option("--agent", "agents", multiple=True, help="By this agent; agent: may be left out.")
@click.option(
    "--tenant", "tenants", multiple=True, help="Of this tenant; '*': whosever the agent or task is."
)
@click.option("--server", "servers", multiple=True, help="To this tool server.")
@click.option("--session", "sessions", multiple=True, help="In this session of an agent's client.")
@click.option("--grant", "grants", multiple=True, help="Under this grant.")
@click.option("--subtree", is_flag=True, help="With --grant: and under all grants made from it.")
@click.option(
    "--resource", "resources", multiple=True, help="What it wrote: file:/srv/notes, and below."
)
@click.option("--since", type=Since(), help="Begun since: 10m, 2h, 3d, or an ISO time.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and do nothing.")
@click.option(
    "--replan", is_flag=True, help="Work the inverse calls out anew, by the packs in force."
)
@click.option(
    "--plan-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Do what --plan --json wrote there, if the plan is still that one; no scope then.",
)
@click.option("--plan-digest", help="Do it, if the plan is still this one.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option(
    "--on-conflict",
    "choice",
    type=click.Choice(["refuse", "skip", "force"]),
    default="refuse",
    show_default=True,
    help="Changed since: do nothing at all, leave those calls, or overwrite what can be put back.",
)
@click.option("--resume", "undo_id", help="Take up an undo that was cut off; no scope then.")
@operator_option
@usual_options
def command(
    config: Path,
    as_json: bool,
    only_plan: bool,
    plan_file: Path | None,
    plan_digest: str | None,
    yes: bool,
    choice: Choice,
    undo_id: str | None,
    operator: str,
    subtree: bool,
    replan: bool,
    **scope: Any,
) -> None:
    """Undo calls: named ones, or all of a task, an agent, a server, a resource.

    Scopes combine: a call is undone when it fits all that are given. A plan is always made first, by
    looking only. The policy is asked as operator:NAME about every inverse call.
    """
    wanted = wanted_of(**scope)
    _check_scope(wanted, subtree, plan_file, undo_id)
    show = print_json if as_json else None
    if undo_id is not None:
        _end(_run(_resume(config, operator, undo_id)), show)
        return
    _check_names(config, wanted)
    roll(
        config,
        operator,
        Asked(wanted, subtree, replan, only_plan, plan_file, plan_digest, yes, choice, show),
    )


def roll(config: Path, operator: str, asked: Asked) -> None:
    """Plan, ask where it has to be asked, undo, tell; ends with the exit status."""
    _end(_run(_roll(config, operator, asked)), asked.show)


def _end(done: Done | None, show: Show | None) -> None:
    if done is not None:
        report, names = done
        with told_if_it_can_be(report.summary):
            show(report.as_json()) if show else told.print_report(report, names)
        sys.exit(report.exit_status)


Show = Callable[[JsonObject], None]
"""What is done with the one JSON document there is."""
Done = tuple[Report, dict[str, str]]
"""A report, and what each of its calls was."""


def _check_scope(
    wanted: Wanted, subtree: bool, plan_file: Path | None, undo_id: str | None
) -> None:
    """Raises `click.UsageError` for what cannot be meant together."""
    if plan_file is not None and (undo_id is not None or not wanted.is_empty):
        raise click.UsageError("--plan-file names its scope itself")
    if undo_id is None and plan_file is None and wanted.is_empty:
        raise click.UsageError(
            "name what to undo: CALLS, --task, --agent, --server, ... or --resume"
        )
    if subtree and not wanted.grants:
        raise click.UsageError("--subtree goes with --grant")
    if undo_id is not None and not wanted.is_empty:
        raise click.UsageError("--resume takes up what was begun; it has its scope already")


def _check_names(config: Path, wanted: Wanted) -> None:
    """Tells of names that are on record nowhere: they undo nothing, which looks as if there were nothing to undo.
    Raises `click.UsageError` for a name that nobody can have."""
    scopes: dict[Scope, tuple[str, ...]] = {
        "agent": wanted.agents,
        "task": wanted.tasks,
        "grant": wanted.grants,
    }
    tenants = [each for each in wanted.tenants if each != named.ANY]
    fences = [
        Fence(scope, value, "", "", 0, tenant)
        for scope, values in scopes.items()
        for value in values
        for tenant in tenants or [""]
    ]
    fences += [Fence("tenant", each, "", "", 0) for each in tenants]
    for fence in fences:
        if not named.is_name(fence):
            raise click.UsageError(f"{fence.value!r} is no {fence.scope}'s name")
    for said in whose.unheard_of(settings.load(config), fences):
        click.echo(f"bulkhead: {said}", err=True)


def _run(work: Coroutine[Any, Any, Done | None]) -> Done | None:
    """The report; what cannot be gone on with ends the command with its own status."""
    try:
        return asyncio.run(work)
    except JournalError as error:
        click.echo(f"bulkhead: {error}: nothing more was done; --resume takes it up", err=True)
        sys.exit(STEP_FAILED)
    except ValueError as error:
        click.echo(f"bulkhead: the journal cannot be believed: {error}", err=True)
        sys.exit(NOT_BELIEVED)


async def _resume(config: Path, operator: str, undo_id: str) -> Done | None:
    from gateway.app.undo import open_rollback

    async with open_rollback(settings.load(config), operator, _progress()) as rollback:
        report = await rollback.resume(undo_id)
        return report, rollback.names(report)


class Asked(Value):
    """What was typed."""

    wanted: Wanted
    subtree: bool
    replan: bool
    only_plan: bool
    plan_file: Path | None
    plan_digest: str | None
    yes: bool
    choice: Choice
    show: Show | None
    """None: it is told as text."""


def _as_written(rollback: Rollback, asked: Asked) -> Asked:
    """What a signed plan asks for. Raises `Refused` for one this installation did not make."""
    if asked.plan_file is None:
        return asked
    try:
        plan = json.loads(asked.plan_file.read_text())
        believed = rollback.believed(plan)
        wanted = Wanted.of_json(plan["scope"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        believed = False
    if not believed:
        raise Refused(Reason.MALFORMED, "not a plan this installation has made")
    digest = plan["plan"]
    return replace(asked, wanted=wanted, replan=bool(plan["replanned"]), plan_digest=digest)


async def _roll(config: Path, operator: str, asked: Asked) -> Done | None:
    """The report, or None when it was only to be planned."""
    from gateway.app.undo import open_rollback

    async with open_rollback(settings.load(config), operator, _progress()) as rollback:
        _say_unfinished(rollback)
        asked = _as_written(rollback, asked)
        wanted = rollback.with_subtree(asked.wanted) if asked.subtree else asked.wanted
        plan = await rollback.plan(wanted, asked.replan)
        if asked.only_plan:
            asked.show(rollback.told(plan)) if asked.show else told.print_plan(plan)
            return None
        if asked.plan_digest is not None and plan.digest != asked.plan_digest:
            click.echo(f"bulkhead: the world has moved: the plan is now {plan.digest}", err=True)
            sys.exit(CONFLICTS_LEFT)
        if asked.plan_digest is None and not asked.yes:
            if asked.show:
                raise click.UsageError("--json asks nothing: give --plan, --plan-digest or --yes")
            told.print_plan(plan)
            if plan.entries:
                confirm("Undo this?", err=False)
            again = await rollback.plan(wanted, asked.replan)
            if again.digest != plan.digest:
                click.echo("bulkhead: the world has moved since: look again", err=True)
                sys.exit(CONFLICTS_LEFT)
        report = await rollback.execute(plan, asked.choice)
        return report, rollback.names(report)


def _say_unfinished(rollback: Rollback) -> None:
    for undo_id in rollback.unfinished():
        click.echo(f"bulkhead: undo {undo_id} is not finished: --resume {undo_id}", err=True)


def _progress() -> told.Progress:
    return told.Progress(Console(stderr=True, highlight=False, markup=False, emoji=False))


def wanted_of(agents: tuple[str, ...] = (), **scope: Any) -> Wanted:
    """A scope as it is typed: `agent:` may be left out. `scope`: all else, as `Wanted` calls it."""
    return Wanted(agents=tuple(map(named.agent, agents)), **scope)
