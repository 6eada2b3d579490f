"""`bulkhead undo certify PACK`: try a pack on a scratch copy of its real server, and sign what came of it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.options import need_scratch, print_json, usual_options
from gateway.values import Value

if TYPE_CHECKING:
    from gateway.catalogue.pins import Pins
    from gateway.certify.ground import Ground
    from gateway.certify.run import Scratch
    from gateway.certify.trial import Tally
    from gateway.settings import Settings
    from gateway.undo.certificate import Certificate


@click.command()
@click.argument("pack")
@click.option("--server", help="The server in bulkhead.yaml; the pack's own name when left out.")
@click.option("--runs", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--losing", type=click.FloatRange(0, 1, max_open=True), default=0.0,
    help="Lose this share of the answers, see how many doubts looking settles, and sign nothing.",
)  # fmt: skip
@click.option("--ground", help="files, memory, git, or a Python file of your own.")
@click.option(
    "--world", "places", multiple=True, metavar="PATH[=SEED]",
    help="Without a ground: a file, directory or socket the server works on. It is tried on a copy of it, or of SEED.",
)  # fmt: skip
@click.option(
    "--value", "values", multiple=True, metavar="NAME=VALUE",
    help="Without a ground: a value worth trying for arguments of this name.",
)  # fmt: skip
@click.option(
    "--leave", multiple=True, metavar="PATTERN",
    help="Without a ground: what may differ after an undo, as it is named when it does. The certificate says so.",
)  # fmt: skip
@usual_options
def certify(config: Path, as_json: bool, server: str | None, **asked: Any) -> None:
    """Random calls at a scratch instance of the real server, taken back, compared; then a signature.

    Nothing is called on the real world: the ground says how the server is started on a scratch one. Without
    a ground calls are made up from the approved schemas, and wherever the settings of the server and its
    companion, or an argument, name one of the --world paths, a copy stands instead.
    """
    from gateway import settings as settings_file
    from gateway.errors import Misconfigured

    settings, trial = settings_file.load(config), Trial(**asked)
    if server not in (None, trial.pack):
        raise Misconfigured(f"the pack of {server} is {server}.yaml, not {trial.pack}.yaml")
    made, tally = _in_scratch(settings, trial, as_json)
    signed = "" if trial.losing else _signed(settings, trial.pack, made)
    if as_json:
        told = {"runs": tally.runs, "calls": tally.calls}
        doubts = {"doubts": tally.doubts, "settled": tally.settled} if trial.losing else {}
        turns = {"out_of_turn": made.out_of_turn, "only_in_turn": tally.only_in_turn}
        print_json({"certificate": made.cases, **told, **turns, **doubts})
    else:
        _tell(trial, tally)
        click.echo(signed or "Nothing is signed: answers were lost.")


class Trial(Value):
    """What was typed."""

    pack: str
    runs: int
    seed: int
    losing: float
    ground: str | None
    places: tuple[str, ...]
    values: tuple[str, ...]
    leave: tuple[str, ...]


def _signed(settings: Settings, pack: str, made: Certificate) -> str:
    """Where the certificate is now."""
    from gateway.files import whole
    from gateway.undo import certificate

    directory = settings.policy_dir / "undo"
    certifier = certificate.certifier(settings.state_dir)
    lock = directory / f"{pack}.lock"
    whole.replace(lock, certificate.lock(made, certifier).encode(), whole.SHARED)
    added = certificate.believe(directory, certifier.name)
    said = f"Signed: {lock}"
    if added:
        said += f"\nBelieved from now on: {certifier.name} ({certificate.CERTIFIERS})"
    return said


def _tell(trial: Trial, tally: Tally) -> None:
    click.echo(
        f"{trial.pack}: {tally.runs} runs, {tally.calls} calls that changed something: {tally.restored} "
        f"restored, {tally.compensated} compensated, {tally.irreversible} said to be irreversible."
    )
    click.echo(_turns(tally))
    if trial.losing:
        click.echo(
            f"{tally.doubts} answers lost, {tally.settled} settled by looking, none wrongly."
        )


def _turns(tally: Tally) -> str:
    """In which order a rollback will undo its calls."""
    if tally.only_in_turn:
        return (
            f"Only the latest first: {tally.only_in_turn}. A rollback undoes its calls one after the other. If its "
            "keys leave out what a call writes, name it there, and certify it again."
        )
    pairs = sum(map(len, tally.proven.values()))
    if not pairs:
        return "Nothing was taken back before a later call: a rollback undoes its calls one after the other."
    return f"Out of turn: {pairs} pairs of tools. A rollback undoes these side by side where their resources allow it."


def _in_scratch(settings: Settings, trial: Trial, quiet: bool) -> tuple[Certificate, Tally]:
    from gateway.certify.trial import Wrong

    need_scratch()
    with tempfile.TemporaryDirectory(prefix="bulkhead-certify-") as folder:
        world = Path(os.path.realpath(folder))
        try:
            return asyncio.run(_certified(settings, trial, world, quiet))
        except Wrong as wrong:
            click.echo(f"not certified: {wrong}", err=True)
            sys.exit(1)


async def _certified(
    settings: Settings, trial: Trial, world: Path, quiet: bool
) -> tuple[Certificate, Tally]:
    from gateway.catalogue import pins as pin_files
    from gateway.certify import run

    pins = pin_files.load(settings.policy_dir, settings.servers)
    tried, name = _ground(settings, pins, trial)
    async with AsyncExitStack() as stack:
        scratch = await run.open_scratch(stack, settings, pins, trial.pack, tried, world)
        version = _version(scratch)
        with click.progressbar(length=trial.runs, label=trial.pack, hidden=quiet) as bar:
            tally = await run.certify(
                scratch,
                tried,
                world,
                runs=trial.runs,
                seed=trial.seed,
                losing=trial.losing,
                told=lambda _: bar.update(1),
            )
        missing = [] if trial.losing else run.untried(scratch, tally)
    return _spoken(scratch, version, missing, tally, trial.seed, name), tally


def _ground(settings: Settings, pins: Pins, trial: Trial) -> tuple[Ground, str]:
    """What was asked for; what is built in; else what the schemas say. Raises `Misconfigured`."""
    from gateway.certify import schemas
    from gateway.certify.ground import BUILT_IN, ground
    from gateway.certify.places import Places
    from gateway.core.linear import compiled
    from gateway.errors import Misconfigured

    pack = trial.pack
    if trial.ground is not None or (pack in BUILT_IN and not trial.places):
        return ground(trial.ground or pack)
    if not trial.places:
        raise Misconfigured(
            f"what does {pack} work on?", hint="--world PATH, or --ground with a file of your own"
        )
    try:
        list(map(compiled, trial.leave))
    except ValueError as error:
        raise Misconfigured(f"--leave: {error}") from None
    tools = schemas.tools(settings, pins, pack)
    made = schemas.Ground(tools, Places.of(trial.places), leave=trial.leave)
    for value in trial.values:
        argument, equals, worth = value.partition("=")
        if not argument or not equals:
            raise Misconfigured(f"--value is NAME=VALUE, not {value!r}")
        made.finds.tell(argument, worth)
    return made, made.name


def _version(scratch: Scratch) -> str:
    """What is certified. Raises `Misconfigured` for a server that says none."""
    from gateway.errors import Misconfigured
    from gateway.undo.versions import version_of

    if version := version_of(scratch.servers[scratch.server]):
        return version
    raise Misconfigured(f"{scratch.server} does not say its version: there is nothing to pin")


def _spoken(
    scratch: Scratch, version: str, missing: list[str], tally: Tally, seed: int, ground: str
) -> Certificate:
    """The certificate. Raises `Misconfigured` when the runs do not speak for all of the pack."""
    from gateway.errors import Misconfigured
    from gateway.undo.certificate import Certificate

    if missing:
        raise Misconfigured(
            f"never reached: {'; '.join(missing)}",
            hint="more runs, --value NAME=VALUE, --world PATH=SEED with more in it, or a ground that goes there; "
            "a tool that only reads does not belong into a pack",
        )
    held = scratch.packs.by_server[scratch.server]
    return Certificate(
        pack=held.digest,
        server_name=held.name,
        server_version=version,
        ground=ground,
        runs=tally.runs,
        seed=seed,
        calls=tally.calls,
        restored=tally.restored,
        compensated=tally.compensated,
        irreversible=tally.irreversible,
        cases=dict(sorted(tally.cases.items())),
        out_of_turn=tally.proven,
    )
