"""`bulkhead journal settle`: calls whose effect is not known, settled by looking, or by a person's word."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from gateway import settings
from gateway.cli.options import tell, usual_options
from gateway.cli.reading import no_such
from gateway.cli.visible import visible
from gateway.core.record import DOUBTFUL, State

if TYPE_CHECKING:
    from gateway.core.reverse import Recorded
    from gateway.undo.settling import Finding

LEFT: Final = 5
Word = Literal["applied", "not_applied"]


@click.command()
@usual_options
@click.option("--applied", "word", flag_value="applied", help="You looked: the call took effect.")
@click.option("--not-applied", "word", flag_value="not_applied", help="You looked: it did not.")
@click.argument("calls", nargs=-1)
def command(config: Path, as_json: bool, word: Word | None, calls: tuple[str, ...]) -> None:
    """Settle calls in doubt: all of them, or CALLS.

    Each is looked at with the reads its undo pack declares, after its tool server has been given its
    time or is known to be gone. Nothing is sent again. While the gateway that forwarded a call to a
    stdio server still runs, "not applied" cannot be told: stop it first. Exit status 5: some are left.
    """
    if word is not None and len(calls) != 1:
        raise click.UsageError("your word is about one call: name it")
    findings = asyncio.run(_settle(config, calls, word))
    document = [{"call": f.call_id, "state": f.state.value, "why": f.why} for f in findings]
    lines = [f"{f.call_id}  {f.state.value:<12} {visible(f.why)}" for f in findings]
    tell(as_json, document, lines or ["Nothing is in doubt."])
    sys.exit(LEFT if any(finding.state in DOUBTFUL for finding in findings) else 0)


async def _settle(config: Path, calls: Sequence[str], word: Word | None) -> list[Finding]:
    from gateway.app.undo import open_settler
    from gateway.journals import runs

    loaded = settings.load(config)
    async with open_settler(loaded) as (settler, ledger):
        wanted = [_named(ledger.recorded(call), call) for call in calls] or ledger.in_doubt()
        if word is not None:
            return [await settler.declare(_open(wanted[0]), State(word))]
        findings = []
        for call in wanted:
            is_gone = runs.is_gone(loaded.state_dir / "runs", call.run)
            findings.append(await settler.settle(call, "gone" if is_gone else "theirs"))
        return findings


def _named(call: Recorded | None, asked: str) -> Recorded:
    if call is None:
        raise no_such("call", asked)
    return call


def _open(call: Recorded) -> Recorded:
    if call.state not in DOUBTFUL:
        raise click.UsageError(f"call {call.call_id} is not in doubt: {call.state}")
    return call
