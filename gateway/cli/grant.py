"""`bulkhead grant`: what a task may do, for how long and how often. Works while gateways serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway import settings
from gateway.app.clock import microseconds
from gateway.cli import grant_text as told
from gateway.cli import named
from gateway.cli.operators import operator_option
from gateway.cli.options import read_json, tell, usual_options
from gateway.cli.times import Seconds
from gateway.core.grant import Standing
from gateway.core.model import Tier
from gateway.grants.shown import as_json as as_json_of

if TYPE_CHECKING:
    from gateway.grants.asked import Asked
    from gateway.grants.office import Office

T = TypeVar("T")

why_option = click.option("--why", default="", help="For the journal and other operators.")


@click.group()
def command() -> None:
    """Give a task a grant, look at it, and end it."""


@command.command()
@click.option("--agent", required=True, help="Who may use it; agent: may be left out.")
@click.option("--task", required=True, help="For which task of its.")
@click.option("--intent", required=True, help="What for: one of policies/intents.yaml.")
@click.option("--tenant", help="Default: the tenant in the settings.")
@click.option("--for", "on_behalf_of", default="", help="On whose behalf, e.g. user:ada.")
@click.option("--below", "parent", help="Handed on from this grant, and no wider.")
@click.option("--tier", "tiers", multiple=True, type=click.Choice([tier.value for tier in Tier]))
@click.option(
    "--tool", "tools", multiple=True, help="server/tool or server/prefix*. May be given again."
)
@click.option("--destination", "destinations", multiple=True, help="Host, *.domain or *.")
@click.option(
    "--bounds",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON file: server/tool -> a JSON Schema its arguments must pass too.",
)
@click.option("--uses", type=int, help="Calls, at most.")
@click.option("--writes", type=int, help="Calls that change something, at most.")
@click.option("--bytes", "size", type=int, help="Of arguments, at most.")
@click.option("--per-minute", type=int, help="Calls in a minute, at most.")
@click.option("--burst", type=int, help="Of these, so many may come at once.")
@click.option("--ttl", type=Seconds(), help="It lasts so long. Admin at most 15m.")
@click.option("--idle", type=Seconds(), help="Over after so long without a call.")
@click.option(
    "--strict-flow",
    is_flag=True,
    default=None,
    help="Nothing leaves once anything labelled was read.",
)
@operator_option
@usual_options
def create(
    config: Path,
    as_json: bool,
    operator: str,
    agent: str,
    parent: str | None,
    bounds: Path | None,
    size: int | None,
    ttl: int | None,
    **said: Any,
) -> None:
    """Give a grant. What is left out is as the intent has it; the admin tier must be named,
    where there is another."""
    asked = _asked(
        agent=named.agent(agent),
        bounds=None if bounds is None else read_json(bounds.read_bytes(), str(bounds)),
        bytes=size,
        seconds=ttl,
        **said,
    )

    async def give(office: Office) -> Standing:
        if parent is not None:
            given = await office.delegate(asked, parent, operator)
        else:
            given = await office.give(asked, operator)
        return office.in_force(given.id)

    _say(asyncio.run(_at(config, give)), as_json)


@command.command()
@click.argument("grant")
@usual_options
def show(config: Path, as_json: bool, grant: str) -> None:
    """One grant: its terms, and what is left of it."""

    async def find(office: Office) -> Standing:
        return office.find(grant)

    _say(asyncio.run(_at(config, find)), as_json)


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Also those that are over.")
@click.option("--agent", help="Of this agent; agent: may be left out.")
@click.option("--task", help="Of this task.")
@click.option("--tenant", help="Of this tenant.")
@usual_options
def list_grants(
    config: Path,
    as_json: bool,
    every: bool,
    agent: str | None,
    task: str | None,
    tenant: str | None,
) -> None:
    """Grants, the latest change first."""
    whose = None if agent is None else named.agent(agent)

    async def find(office: Office) -> list[Standing]:
        return [
            row
            for row in office.store.all(-1 if every else microseconds())
            if (every or row.word(microseconds()) == "active")
            and whose in (None, row.grant.agent)
            and task in (None, row.grant.task)
            and tenant in (None, row.grant.tenant)
        ]

    rows = asyncio.run(_at(config, find))
    lines = (told.line(row, microseconds()) for row in rows)
    tell(as_json, [as_json_of(row, microseconds()) for row in rows], lines)


@command.command()
@click.argument("grant")
@why_option
@operator_option
@usual_options
def revoke(config: Path, as_json: bool, grant: str, why: str, operator: str) -> None:
    """End a grant and all that was handed on from it. The next call under it is refused."""
    _end(config, as_json, grant, "revoked", operator, why)


@command.command()
@click.argument("grant")
@why_option
@operator_option
@usual_options
def complete(config: Path, as_json: bool, grant: str, why: str, operator: str) -> None:
    """The task is done: as `revoke`, in other words."""
    _end(config, as_json, grant, "completed", operator, why)


def _end(config: Path, as_json: bool, grant: str, state: Any, operator: str, why: str) -> None:
    async def end(office: Office) -> Standing:
        await office.end(grant, state, operator, why)
        return office.find(grant)

    _say(asyncio.run(_at(config, end)), as_json)


async def _at(config: Path, work: Callable[[Office], Awaitable[T]]) -> T:
    from gateway.app.grants import open_office

    async with open_office(settings.load(config)) as office:
        return await work(office)


def _asked(**said: Any) -> Asked:
    """Raises `click.UsageError` for what no request for a grant may say."""
    from gateway.grants.asked import read_asked

    try:
        return read_asked({name: value for name, value in said.items() if value not in (None, ())})
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None


def _say(row: Standing, as_json: bool) -> None:
    now = microseconds()
    tell(as_json, as_json_of(row, now), told.story(row, now))
