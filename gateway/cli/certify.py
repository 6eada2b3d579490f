"""`bulkhead undo certify PACK`: try a pack on a scratch copy of its real server, and sign what came of it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import config_option, json_option, print_json

Where = tuple[str | None, tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""A ground's name, places of the real world, values for arguments, and what may differ."""

if TYPE_CHECKING:
    from gateway.catalogue.pins import Pins
    from gateway.certify.ground import Ground
    from gateway.certify.run import Scratch, Tally
    from gateway.settings import Settings
    from gateway.undo.certificate import Certificate


@click.command()
@click.argument("pack")
@click.option("--server", help="The server in bulkhead.yaml; the pack's own name when left out.")
@click.option("--runs", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--ground", "ground_name", help="files, memory, git, or a Python file of your own.")
@click.option(
    "--world", "places", multiple=True, metavar="PATH[=SEED]",
    help="Without a ground: a file, directory or socket the server works on. It is tried on a copy of it, or of SEED.",
)  # fmt: skip
@click.option(
    "--value", "values", multiple=True, metavar="NAME=VALUE",
    help="Without a ground: a value worth trying for arguments of this name.",
)  # fmt: skip
@click.option(
    "--leave", "leave", multiple=True, metavar="PATTERN",
    help="Without a ground: what may differ after an undo, as it is named when it does. The certificate says so.",
)  # fmt: skip
@config_option
@json_option
def certify(
    pack: str,
    server: str | None,
    runs: int,
    seed: int,
    ground_name: str | None,
    places: tuple[str, ...],
    values: tuple[str, ...],
    leave: tuple[str, ...],
    config: Path,
    as_json: bool,
) -> None:
    """Random calls at a scratch instance of the real server, taken back, compared; then a signature.

    Nothing is called on the real world: the ground says how the server is started on a scratch one. Without
    a ground calls are made up from the approved schemas, and wherever the settings of the server and its
    companion name one of the --world paths, a copy stands instead.
    """
    from gateway import settings as settings_file
    from gateway.errors import Misconfigured
    from gateway.undo import certificate

    settings = settings_file.load(config)
    if server not in (None, pack):
        raise Misconfigured(f"the pack of {server} is {server}.yaml, not {pack}.yaml")
    made, tally = _in_scratch(
        settings, pack, runs, seed, (ground_name, places, values, leave), as_json
    )
    directory = settings.policy_dir / "undo"
    certifier = certificate.certifier(settings.state_dir)
    (directory / f"{pack}.lock").write_text(certificate.lock(made, certifier))
    added = certificate.believe(directory, "this installation", certifier.name)
    if as_json:
        print_json({"certificate": made.cases, "runs": tally.runs, "calls": tally.calls})
        return
    click.echo(
        f"{pack}: {tally.runs} runs, {tally.calls} calls that changed something: {tally.restored} "
        f"restored, {tally.compensated} compensated, {tally.irreversible} said to be irreversible."
    )
    click.echo(f"Signed: {directory / f'{pack}.lock'}")
    if added:
        click.echo(f"Believed from now on: {certifier.name} ({certificate.CERTIFIERS})")


def _in_scratch(
    settings: Settings, pack: str, runs: int, seed: int, where: Where, quiet: bool
) -> tuple[Certificate, Tally]:
    from gateway.certify.run import Wrong

    with tempfile.TemporaryDirectory(prefix="bulkhead-certify-") as folder:
        world = Path(os.path.realpath(folder))
        try:
            return asyncio.run(_certified(settings, pack, runs, seed, where, world, quiet))
        except Wrong as wrong:
            click.echo(f"not certified: {wrong}", err=True)
            sys.exit(1)


async def _certified(
    settings: Settings,
    pack: str,
    runs: int,
    seed: int,
    where: Where,
    world: Path,
    quiet: bool,
) -> tuple[Certificate, Tally]:
    from gateway.catalogue import pins as pin_files
    from gateway.certify import run
    from gateway.undo.reverser import version_of

    pins = pin_files.load(settings.policy_dir, settings.servers)
    tried, name = _ground(settings, pins, pack, where)
    async with AsyncExitStack() as stack:
        scratch = await run.open_scratch(stack, settings, pins, pack, tried, world)
        version = version_of(scratch.servers[pack])
        with click.progressbar(length=runs, label=pack, hidden=quiet) as bar:
            tally = await run.certify(
                scratch, tried, world, runs=runs, seed=seed, told=lambda _: bar.update(1)
            )
        missing = run.untried(scratch, tally)
    return _spoken(scratch, version, missing, tally, seed, name), tally


def _ground(settings: Settings, pins: Pins, pack: str, where: Where) -> tuple[Ground, str]:
    """What was asked for; what is built in; else what the schemas say. Raises `Misconfigured`."""
    from gateway.certify import schemas
    from gateway.certify.ground import BUILT_IN, ground
    from gateway.certify.places import Places
    from gateway.errors import Misconfigured

    name, places, values, leave = where
    if name is not None or (pack in BUILT_IN and not places):
        return ground(name or pack)
    if not places:
        raise Misconfigured(
            f"what does {pack} work on?", hint="--world PATH, or --ground with a file of your own"
        )
    for pattern in leave:
        _must_be_a_pattern(pattern)
    tools = schemas.tools(settings, pins, pack)
    made = schemas.Ground(tools, Places.of(places), leave=leave)
    for value in values:
        argument, _, worth = value.partition("=")
        made.finds.learn({argument: worth})
    return made, made.name


def _must_be_a_pattern(pattern: str) -> None:
    from gateway.errors import Misconfigured
    from gateway.undo.functions import compiled

    try:
        compiled(pattern)
    except ValueError as error:
        raise Misconfigured(f"--leave: {error}") from None


def _spoken(
    scratch: Scratch, version: str | None, missing: list[str], tally: Tally, seed: int, ground: str
) -> Certificate:
    """The certificate. Raises `Misconfigured` when the runs do not speak for all of the pack."""
    from gateway.errors import Misconfigured
    from gateway.undo.certificate import Certificate

    if missing:
        raise Misconfigured(
            f"never reached: {'; '.join(missing)}",
            hint="more runs, --value NAME=VALUE, --world PATH=SEED with more in it, or a ground that goes there",
        )
    if version is None:
        raise Misconfigured(f"{scratch.server} does not say its version: there is nothing to pin")
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
    )
