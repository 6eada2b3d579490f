"""How the journal is told to a person: a table of calls, one call as a story, one line per line.

Everything an agent or a tool server had a hand in is passed through `visible`.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.times import when
from gateway.cli.visible import as_text, visible
from gateway.core.act import FOR
from gateway.core.model import CallRecord
from gateway.core.record import State
from gateway.ports import CallRow, EventRow

COLOURS: Final = {
    State.APPLIED: "green",
    State.FAILED: "yellow",
    State.REJECTED: "yellow",
    State.REFUSED: "red",
    State.HELD: "blue",
    State.CANCELLED: "yellow",
    State.NOTED: "blue",
    State.IN_DOUBT: "bold magenta",
    State.INTENT: "cyan",
    State.NO_EFFECT: "green",
    State.NOT_APPLIED: "yellow",
    State.NEEDS_HUMAN: "bold magenta",
    State.UNDOING: "cyan",
    State.UNDONE: "green",
}
MEANING: Final = {
    State.APPLIED: "forwarded; the tool server answered with a result",
    State.FAILED: "forwarded; the tool answered that it failed",
    State.REJECTED: "the tool server answered with an error, or could not be reached; nothing was sent then",
    State.REFUSED: "not forwarded",
    State.HELD: "not forwarded yet; it waits, and can be taken back whole",
    State.CANCELLED: "held and taken back; never forwarded",
    State.IN_DOUBT: "forwarded; what came of it is not known",
    State.NOTED: "no call: what an operator, or the gateway itself, did or said",
    State.INTENT: "about to be forwarded, or under way",
    State.NO_EFFECT: "forwarded and answered; looks before and after show the same",
    State.NOT_APPLIED: "was in doubt; a look at the world says that it was not done",
    State.NEEDS_HUMAN: "was in doubt; a look at the world did not tell, a person must",
    State.UNDOING: "an undo is under way",
    State.UNDONE: "an undo has ended",
}
WITH_LEAVE: Final = (State.HELD, State.INTENT)
"""Lines that name the ticket they use up."""
PIPED_WIDTH: Final = 200
SHORT: Final = 16
"""Characters of a call's id that fit a line; `show` takes them."""


class _Screen(Console):
    """What becomes of a command whose reader has gone is for the command to say."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console() -> Console:
    """Standard output; wide when nobody looks at it, so that pipes get whole cells."""
    screen = _Screen(highlight=False, markup=False, emoji=False)
    if not screen.is_terminal:
        screen.width = PIPED_WIDTH
    return screen


def print_calls(calls: Sequence[CallRow]) -> None:
    """A table, a call per row."""
    if not calls:
        console().print("No calls.", style="dim")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("When", "Call", "Agent", "Tier", "Effect", "Target", "State", "By", "Took"):
        # Folded where the terminal is narrow, but for the id, which is there to be typed.
        table.add_column(name, overflow="fold", min_width=SHORT if name == "Call" else None)
    for call in calls:
        table.add_row(*_cells(call))
    console().print(table)


def _cells(call: CallRow) -> list[Text]:
    record = call.record
    return [
        Text(when(call.created_at), "dim"),
        Text(visible(record.call_id[:SHORT])),
        Text(visible(record.agent.removeprefix("agent:"))),
        Text(visible(record.tier)),
        Text(visible(record.effect)),
        Text(visible(_target(call))),
        Text(call.state.value, COLOURS[call.state]),
        Text(visible(_because(call))),
        Text(_took(call), "dim"),
    ]


def print_story(call: CallRow, lines: Sequence[EventRow]) -> None:
    """Who asked what, who decided, what happened."""
    record, screen = call.record, console()
    title = Text("Call ").append(visible(record.call_id), "bold").append("  ")
    screen.print(title.append(call.state.value, COLOURS[call.state]))
    screen.print(Text(f"{MEANING[call.state]}", "dim"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _facts(call, lines):
        table.add_row(Text(name), Text(visible(value)))
    screen.print()
    screen.print(table)
    screen.print()
    for line in lines:
        screen.print(Text(_moment(line, call.created_at)), soft_wrap=True)


def _facts(call: CallRow, lines: Sequence[EventRow]) -> list[tuple[str, str]]:
    record = call.record
    tickets = [line.said["body"].get("ticket", "") for line in lines if line.kind in WITH_LEAVE]
    facts = [
        ("Who", f"{record.agent}, tenant {record.tenant}, task {record.task}"),
        ("On behalf of", record.on_behalf_of),
        ("What for", record.intent),
        ("Grant", record.grant),
        ("Asked", _asked(call)),
        (
            "Reaches",
            f"{record.tier}, {record.effect}{_at(record.destination, ', at ')}"
            if record.tier
            else "",
        ),
        ("Decided by", _decided(record)),
        ("Duties", record.duties),
        ("Ticket", " ".join(filter(None, tickets))),
        ("On trial", record.shadows and f"would be denied by {record.shadows}"),
        ("Policy", record.policy_version),
        ("Descriptor", record.descriptor),
        ("Arguments", json.dumps(record.arguments, ensure_ascii=False)),
        ("Beside", json.dumps(record.beside, ensure_ascii=False) if record.beside else ""),
        ("Digest", record.arguments_digest),
        *((name.capitalize(), as_text(value)) for name, value in call.outcome.items()),
    ]
    return [(name, value) for name, value in facts if value]


def _moment(line: EventRow, began: int) -> str:
    after = (line.at - began) / 1_000
    return f"#{line.seq}  {when(line.at)}  {after:+.1f} ms  {line.kind.value}"


def one_line(line: EventRow, call: CallRow) -> str:
    """A line of the journal as a line of text."""
    record = call.record
    body = line.said["body"]
    said = as_text(body.get("reason") or body.get("detail") or "")
    by = _decider(call) if line.kind in (State.INTENT, State.REFUSED) else ""
    parts = (
        f"#{line.seq}",
        when(line.at),
        f"{line.kind.value:<8}",
        *map(visible, (record.call_id[:SHORT], record.agent, record.tier, _target(call), by, said)),
    )
    return "  ".join(part for part in parts if part)


def _asked(call: CallRow) -> str:
    if call.state is State.NOTED:
        return _target(call)
    return f"{call.record.method} {_target(call)}{_at(call.record.endpoint)}"


def _decided(record: CallRecord) -> str:
    """By which rule; what the gateway asks for itself no rule decides, and says for which call it is."""
    if record.where.startswith(FOR):
        return f"no rule, {record.where}"
    return f"{record.rule or 'no rule'}{_at(record.where)}"


def _at(place: str, at: str = " at ") -> str:
    return f"{at}{place}" if place else ""


def _target(call: CallRow) -> str:
    method, server, target = call.record.method, call.record.server, call.record.target
    if call.state is State.NOTED:
        return " ".join(filter(None, (method, server, target)))
    return f"{server} {target}".strip() or method


def _because(call: CallRow) -> str:
    if call.state is State.REFUSED:
        return as_text(call.outcome.get("reason", ""))
    return _decider(call)


def _decider(call: CallRow) -> str:
    record = call.record
    trial = record.shadows and f"(on trial: {record.shadows})"
    return " ".join(filter(None, (record.rule, record.where, trial)))


def _took(call: CallRow) -> str:
    if call.settled_at is None:
        return ""
    return f"{(call.settled_at - call.created_at) / 1_000:.1f} ms"
