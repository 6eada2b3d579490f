"""How a ticket is printed: everything the agent wrote as ASCII, so that what is read is what is sent."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from gateway.cli.times import when
from gateway.cli.visible import visible
from gateway.core.approval import Ticket
from gateway.ports import Protector
from gateway.values import replace

_HIDDEN: Final = ("sealed", "redacted")


def stand(ticket: Ticket, now: int) -> str:
    """Where it stands at this moment."""
    over = ticket.expires_at <= now and ticket.stand in ("waiting", "approved")
    return "expired" if over else ticket.stand


def line(ticket: Ticket, now: int) -> str:
    """One ticket on one line."""
    what = f"{ticket.server} {ticket.tool}" if ticket.kind == "call" else f"window {ticket.server}"
    who = f" by {ticket.decided_by}" if ticket.decided_by else ""
    until = f" until {when(ticket.expires_at)}"
    whose = f"{ticket.agent}, tenant {ticket.tenant}"
    return visible(f"{ticket.id}  {stand(ticket, now)}{who}{until}  {whose}  {what}")


def print_ticket(ticket: Ticket, now: int) -> None:
    """All an operator has to know before a word is said."""
    click.echo(line(ticket, now))
    rows = {
        "asked by": ticket.asked_by,
        "for": ticket.on_behalf_of,
        "task": ticket.task,
        "tool": f"{ticket.server} {ticket.tool}" if ticket.tool else ticket.server,
        "class": " ".join(filter(None, (ticket.tier, ticket.effect, ticket.destination))),
        "undo": f"{ticket.level}: {ticket.undo}" if ticket.undo else ticket.level,
        "wanted by": ticket.rule,
        "call": ticket.call_id,
        "why": ticket.why,
        "said": ticket.said,
    }
    for name, value in rows.items():
        if value:
            click.echo(f"  {name:<10} {visible(value)}")
    for name, shown in (("arguments", ticket.arguments), ("beside", ticket.beside)):
        if shown or (name == "arguments" and ticket.kind == "call"):
            click.echo(f"  {name}:")
            text = json.dumps(shown, indent=2, sort_keys=True, ensure_ascii=True)
            click.echo("\n".join(f"    {row}" for row in text.splitlines()))
    hidden = _hidden(ticket.arguments) + _hidden(ticket.beside)
    if hidden:
        click.echo(f"  {hidden} values are not shown here; `--open` shows those that were kept")


def unsealed(ticket: Ticket, protector: Protector) -> Ticket:
    """The same with its sealed values opened; what was only committed to stays as it is."""
    return replace(
        ticket,
        arguments=_opened(ticket.arguments, protector),
        beside=_opened(ticket.beside, protector),
    )


def _opened(value: Any, protector: Protector) -> Any:
    if isinstance(value, list):
        return [_opened(item, protector) for item in value]
    if not isinstance(value, dict):
        return value
    if "sealed" in value:
        return protector.unseal(value)
    return {name: _opened(member, protector) for name, member in value.items()}


def _hidden(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_hidden, value))
    if not isinstance(value, dict):
        return 0
    if any(form in value for form in _HIDDEN):
        return 1
    return sum(map(_hidden, value.values()))
