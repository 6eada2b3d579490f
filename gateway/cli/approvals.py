"""`bulkhead approvals`: calls that wait for a person's leave, and the answers. Works while gateways serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from gateway import settings
from gateway.app.clock import microseconds
from gateway.cli import approvals_text as told
from gateway.cli.operators import operator_option
from gateway.cli.options import F, confirm, print_json, tell, usual_options
from gateway.cli.reading import no_such
from gateway.core.approval import LEAVE_SECONDS, Stand, Ticket
from gateway.values import as_plain

if TYPE_CHECKING:
    from gateway.approvals.deciding import Deciding

T = TypeVar("T")
DAY_SECONDS = 86_400


def within_option(said: str) -> Callable[[F], F]:
    """`--within SECONDS` as `within: int`; `said`: what they are."""
    limit = click.IntRange(1, LEAVE_SECONDS)
    return click.option("--within", type=limit, default=LEAVE_SECONDS, show_default=True, help=said)


@click.group()
def command() -> None:
    """See, allow and refuse calls that need a person's leave."""


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are decided or over.")
@usual_options
def list_tickets(config: Path, as_json: bool, everything: bool) -> None:
    """The tickets that wait, newest first; with --all those of the last 30 days."""
    since = microseconds() - 30 * DAY_SECONDS * 1_000_000
    found = asyncio.run(at_desk(config, lambda desk: desk.tickets.since(since)))
    shown = [one for one in found if everything or told.stand(one, microseconds()) == "waiting"]
    lines = (told.line(one, microseconds()) for one in shown)
    tell(as_json, [as_plain(one) for one in shown], lines)


@command.command()
@click.argument("ticket")
@click.option("--open", "opened", is_flag=True, help="Show sealed values, too.")
@usual_options
def show(config: Path, as_json: bool, ticket: str, opened: bool) -> None:
    """What would be done, by whom, with exactly which arguments, and how far it could be undone."""

    async def look(desk: Deciding) -> Ticket:
        one = await ticket_of(desk, ticket)
        return told.unsealed(one, desk.protector) if opened else one

    one = asyncio.run(at_desk(config, look))
    print_json(as_plain(one)) if as_json else told.print_ticket(one, microseconds())


@command.command()
@click.argument("ticket")
@within_option("Seconds the agent has to come again.")
@click.option("--yes", is_flag=True, help="Without asking.")
@operator_option
@usual_options
def approve(
    config: Path, as_json: bool, ticket: str, within: int, yes: bool, operator: str
) -> None:
    """Allow this very call, once. Another argument, agent, task or level of undo needs another leave."""
    approved(config, as_json, ticket, within, yes, operator, "Allow this, once?")


@command.command()
@click.argument("ticket")
@click.option("--why", default="", help="For the journal; the agent does not hear it.")
@operator_option
@usual_options
def deny(config: Path, as_json: bool, ticket: str, why: str, operator: str) -> None:
    """Refuse this very call, until the ticket is over; also take back a leave that is not used yet."""
    answered(config, as_json, ticket, operator, "denied", why)


def answered(
    config: Path, as_json: bool, ticket: str, operator: str, stand: Stand, why: str
) -> None:
    """Say a word that gives nothing."""

    async def answer(desk: Deciding) -> Ticket:
        return await desk.say(await ticket_of(desk, ticket), operator, stand, said=why)

    say(asyncio.run(at_desk(config, answer)), as_json)


async def at_desk(config: Path, work: Callable[[Deciding], Awaitable[T]]) -> T:
    """What `work` makes of the desk operators answer at."""
    from gateway.app.approvals import open_approvals

    async with open_approvals(settings.load(config)) as desk:
        return await work(desk)


async def ticket_of(desk: Deciding, name: str) -> Ticket:
    """The ticket of that name. Raises `Refused` when there is none."""
    found = await desk.tickets.find(name)
    if found is None:
        raise no_such("ticket", name)
    return found


def approved(
    config: Path,
    as_json: bool,
    ticket: str,
    within: int,
    yes: bool,
    operator: str,
    question: str,
    find: Callable[[Deciding, str], Awaitable[Ticket]] = ticket_of,
) -> None:
    """Show it, ask, and say yes."""

    async def answer(desk: Deciding) -> Ticket:
        one = await find(desk, ticket)
        if not yes:
            told.print_ticket(one, microseconds())
            confirm(question)
        return await desk.say(one, operator, "approved", within)

    say(asyncio.run(at_desk(config, answer)), as_json)


def say(ticket: Ticket, as_json: bool) -> None:
    """The ticket as it stands after a word."""
    tell(as_json, as_plain(ticket), [told.line(ticket, microseconds())])
