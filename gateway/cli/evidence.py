"""`bulkhead evidence`: the journal against its signed checkpoints, and proofs for who does not trust its keeper."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway import settings
from gateway.cli.options import config_option, print_json, usual_options
from gateway.cli.reading import call_named, reader_of
from gateway.cli.visible import visible
from gateway.errors import Misconfigured, Where

if TYPE_CHECKING:
    from gateway.evidence.verify import Checkpoint, Key
    from gateway.journals.sqlite import SqliteReader
    from gateway.journals.tilefile import TileFile

NOT_SOUND: Final = 9
NAMED: Final = 5
"""Calls that are named in one line."""

_held = click.option(
    "--checkpoint", "held", type=click.Path(path_type=Path, exists=True), multiple=True,
    help="A checkpoint that was kept elsewhere; may be given several times.",
)  # fmt: skip

_earlier = click.option(
    "--key", "earlier", multiple=True,
    help="An earlier key of this log, as `bulkhead evidence key` printed it, for a checkpoint that it signed.",
)  # fmt: skip


@click.group()
def command() -> None:
    """Check the journal against its checkpoints; prove a call."""


@command.command()
@config_option
def key(config: Path) -> None:
    """The public key checkpoints are signed with. Whoever verifies must have it from you, not from a proof."""
    from gateway.evidence.checkpoint import Notary

    click.echo(Notary.open(settings.load(config).state_dir).public_key)


@command.command()
@config_option
def checkpoint(config: Path) -> None:
    """The newest signed checkpoint. Kept where nobody can change it, it shows later what was cut off."""
    note = _tiles(config).checkpoint()
    if note is None:
        click.echo("bulkhead: no checkpoint yet: a gateway signs the first one", err=True)
        sys.exit(1)
    click.echo(note, nl=False)


@command.command()
@usual_options
@_held
@_earlier
def check(config: Path, as_json: bool, held: Sequence[Path], earlier: Sequence[str]) -> None:
    """Lay every line beside every checkpoint, then the log and what is beside the lines. Exit status 9: the journal,
    or its log, was changed."""
    from gateway.evidence.audit import audit
    from gateway.evidence.retaken import Retaken

    public, kept = _key(config), _tiles(config)
    notes = [_opened(path, public, earlier) for path in held]
    # Read before the lines: whatever they cover has to be there by now.
    own = kept.checkpoints()
    signed = [note for note in (_signed(size, text, public) for size, text in own) if note]
    log = Retaken(kept, max((note.size for note in signed), default=0))
    reader = reader_of(settings.load(config))
    notes += signed
    found = audit(log.passing(reader.filed()), notes)
    told = found.wrong or (*log.wrong(), *_beside(reader))
    if unsigned := len(own) - len(signed):
        told += (
            f"{unsigned} of {len(own)} checkpoints here are not signed by the key here, as they stand",
        )
    if as_json:
        print_json({"lines": found.lines, "covered": found.covered, "wrong": told})
    else:
        for wrong in told:
            click.echo(f"bulkhead: {visible(wrong)}", err=True)
        verdict = "NOT SOUND" if told else "sound"
        click.echo(
            f"{found.lines} lines, {found.covered} under a checkpoint, "
            f"{len(notes)} checkpoints ({len(held)} from elsewhere): {verdict}"
        )
    sys.exit(NOT_SOUND if told else 0)


@command.command()
@config_option
@click.argument("call_id")
def prove(config: Path, call_id: str) -> None:
    """One call's exact lines, their way up to a signed checkpoint, and that checkpoint, as JSON."""
    from gateway.evidence.proof import NotYet
    from gateway.evidence.proof import prove as proof
    from gateway.evidence.tiles import Tiles

    reader = reader_of(settings.load(config))
    call = call_named(call_id, reader)
    try:
        kept = _tiles(config)
        lines = reader.lines(call.record.call_id)
        print_json(proof(lines, kept, Tiles(kept).node))
    except NotYet as reason:
        click.echo(f"bulkhead: {reason}: a gateway that runs signs one within a second", err=True)
        sys.exit(1)


@command.command()
@config_option
@_earlier
@click.argument("old", type=click.Path(path_type=Path, exists=True))
def extends(config: Path, old: Path, earlier: Sequence[str]) -> None:
    """That the log of today begins with the log of the checkpoint in the file OLD, as JSON.

    Exit status 9: it does not.
    """
    from gateway.evidence.proof import NotYet
    from gateway.evidence.proof import extends as proof
    from gateway.evidence.tiles import Tiles

    try:
        kept = _tiles(config)
        print_json(proof(_opened(old, _key(config), earlier), kept, Tiles(kept).node))
    except NotYet as reason:
        click.echo(f"bulkhead: {reason}: the log was cut off, or is another one", err=True)
        sys.exit(NOT_SOUND)


def _key(config: Path) -> Key:
    from gateway.evidence.checkpoint import Notary

    return Notary.open(settings.load(config).state_dir).key


def _tiles(config: Path) -> TileFile:
    from gateway.app.warrants import open_tiles

    return open_tiles(settings.load(config).state_dir)


def _opened(path: Path, key: Key, earlier: Sequence[str]) -> Checkpoint:
    """A checkpoint that was kept elsewhere, by one of these keys. Raises `Misconfigured`."""
    from gateway.evidence.verify import Key, Unsound, open_note

    try:
        note, keys = path.read_text("utf-8"), [key, *map(Key.parse, earlier)]
        return open_note(note, next((key for key in keys if f"\n\u2014 {key.name} " in note), key))
    except (OSError, ValueError, Unsound) as error:
        raise Misconfigured(str(error), Where(str(path))) from None


def _signed(size: int, note: str, key: Key) -> Checkpoint | None:
    """A checkpoint of our own that is kept as what it is."""
    from gateway.evidence.verify import Unsound, open_note

    try:
        said = open_note(note, key)
    except Unsound:
        return None
    return said if said.size == size else None


def _beside(reader: SqliteReader) -> Iterator[str]:
    """What lies beside lines that are sound and is not what they say."""
    calls = reader.misfiled()
    if calls:
        first, more = ", ".join(calls[:NAMED]), len(calls) - NAMED
        others = f" and {more} more" if more > 0 else ""
        yield f"not found as their lines say: call {first}{others}"
    yield from reader.unfit()
