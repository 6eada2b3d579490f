"""`bulkhead held`: calls that wait before they are sent. A gateway that serves sends each at its time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from gateway import settings
from gateway.cli.operators import operator_option
from gateway.cli.options import tell, usual_options
from gateway.cli.reading import reader_of
from gateway.cli.times import when
from gateway.cli.visible import as_text, visible
from gateway.core.model import JsonObject

if TYPE_CHECKING:
    from gateway.line.holding import Waiting
    from gateway.undo.held import Waitings

Verb = Literal["release", "cancel"]


@click.group()
def command() -> None:
    """See what is held, send it now, or take it back for good."""


@command.command("list")
@usual_options
def list_held(config: Path, as_json: bool) -> None:
    """What waits, by the time it is sent."""
    found = _waitings(config).all()
    tell(as_json, [*map(_facts, found)], map(_line, found) if found else ["Nothing is held."])


@command.command()
@click.argument("call")
@usual_options
def show(config: Path, as_json: bool, call: str) -> None:
    """One held call, with its arguments as the journal keeps them: nothing sealed is shown."""
    waitings = _waitings(config)
    kept = dict(waitings.row(call).record.arguments)
    facts = {**_facts(waitings.find(call)), "arguments": kept}
    tell(as_json, facts, (f"{n:<11} {visible(as_text(value))}" for n, value in facts.items()))


@command.command()
@click.argument("call")
@operator_option
@usual_options
def release(config: Path, as_json: bool, call: str, operator: str) -> None:
    """Send CALL now: a gateway that serves does it, decided anew, within seconds."""
    _say(asyncio.run(_moved(config, call, operator, "release")), "released", as_json)


@command.command()
@click.argument("call")
@operator_option
@usual_options
def cancel(config: Path, as_json: bool, call: str, operator: str) -> None:
    """CALL is never sent."""
    _say(asyncio.run(_moved(config, call, operator, "cancel")), "cancelled", as_json)


async def _moved(config: Path, call: str, operator: str, verb: Verb) -> Waiting:
    from gateway.app.undo import open_held

    async with open_held(settings.load(config)) as held:
        moved = held.cancel if verb == "cancel" else held.release
        return await moved(call, operator)


def _waitings(config: Path) -> Waitings:
    from gateway.journals.protect import Protector
    from gateway.undo.held import Waitings

    loaded = settings.load(config)
    return Waitings(reader_of(loaded), Protector.open(loaded.state_dir))


def _facts(waiting: Waiting) -> JsonObject:
    identity = waiting.request.identity
    return {
        "call": waiting.call_id,
        "release_at": waiting.release_at,
        "agent": identity.agent,
        "tenant": identity.tenant,
        "task": identity.task,
        "server": waiting.target.server,
        "tool": waiting.target.name,
        "by": waiting.by,
    }


def _line(waiting: Waiting) -> str:
    identity, target = waiting.request.identity, waiting.target
    who = f"{identity.agent}, tenant {identity.tenant}, task {identity.task}"
    told = f"{waiting.call_id}  {when(waiting.release_at)}  {target.server} {target.name}  {who}"
    return visible(told)


def _say(waiting: Waiting, done: str, as_json: bool) -> None:
    tell(as_json, {**_facts(waiting), "stand": done}, [f"{_line(waiting)}  {done}"])
