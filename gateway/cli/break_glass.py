"""`bulkhead break-glass`: two persons open a window for one agent at one server, for minutes.

It stands for the leave that each call in the admin tier would need. What the policy denies stays
denied, and every call is on record.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway import settings
from gateway.cli import named
from gateway.cli.approvals import answered, approved, at_desk, say, ticket_of, within_option
from gateway.cli.operators import operator_option
from gateway.cli.options import usual_options
from gateway.core.approval import Ticket
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from gateway.approvals.deciding import Deciding


@click.group()
def command() -> None:
    """Open the admin tier for one agent at one server: two persons, 15 minutes."""


@command.command()
@click.option("--agent", required=True, help="For whom; agent: may be left out.")
@click.option("--server", required=True, help="At which tool server.")
@click.option("--why", required=True, help="What has happened. It is journaled.")
@click.option("--tenant", default=None, help="Default: the settings' tenant.")
@operator_option
@usual_options
def ask(
    config: Path,
    as_json: bool,
    agent: str,
    server: str,
    why: str,
    tenant: str | None,
    operator: str,
) -> None:
    """The first person: ask for a window. It opens when a second one approves it."""
    loaded = settings.load(config)
    named.server(loaded, server)
    whose = tenant or loaded.tenant

    async def asked(desk: Deciding) -> Ticket:
        return await desk.ask_window(operator, named.agent(agent), whose, server, why)

    say(asyncio.run(at_desk(config, asked)), as_json)


@command.command()
@click.argument("ticket")
@within_option("Seconds it stands open.")
@click.option("--yes", is_flag=True, help="Without asking.")
@operator_option
@usual_options
def approve(
    config: Path, as_json: bool, ticket: str, within: int, yes: bool, operator: str
) -> None:
    """The second person: open it."""
    approved(config, as_json, ticket, within, yes, operator, "Open this window?", _window)


@command.command()
@click.argument("ticket")
@operator_option
@usual_options
def close(config: Path, as_json: bool, ticket: str, operator: str) -> None:
    """End an open window now. The next call finds it closed."""
    answered(config, as_json, ticket, operator, "closed", "")


async def _window(desk: Deciding, name: str) -> Ticket:
    found = await ticket_of(desk, name)
    if found.kind != "window":
        raise Misconfigured(f"ticket {found.id} is for one call: bulkhead approvals approve")
    return found
