"""`bulkhead undo certify PACK`: try a pack on a scratch copy of its real server, and sign what came of it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import config_option, json_option, print_json

if TYPE_CHECKING:
    from gateway.certify.run import Scratch, Tally
    from gateway.settings import Settings
    from gateway.undo.certificate import Certificate


@click.command()
@click.argument("pack")
@click.option("--server", help="The server in bulkhead.yaml; the pack's own name when left out.")
@click.option("--runs", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--ground", "ground_name", help="files, memory, git, or a Python file of your own.")
@config_option
@json_option
def certify(
    pack: str,
    server: str | None,
    runs: int,
    seed: int,
    ground_name: str | None,
    config: Path,
    as_json: bool,
) -> None:
    """Random calls at a scratch instance of the real server, taken back, compared; then a signature.

    Nothing is called on the real world: the ground says how the server is started on a scratch one.
    """
    from gateway import settings as settings_file
    from gateway.errors import Misconfigured
    from gateway.undo import certificate

    settings = settings_file.load(config)
    if server not in (None, pack):
        raise Misconfigured(f"the pack of {server} is {server}.yaml, not {pack}.yaml")
    made, tally = _in_scratch(settings, pack, runs, seed, ground_name or pack, as_json)
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
    settings: Settings, pack: str, runs: int, seed: int, ground_name: str, quiet: bool
) -> tuple[Certificate, Tally]:
    from gateway.certify.run import Wrong

    with tempfile.TemporaryDirectory(prefix="bulkhead-certify-") as folder:
        world = Path(os.path.realpath(folder))
        try:
            return asyncio.run(_certified(settings, pack, runs, seed, ground_name, world, quiet))
        except Wrong as wrong:
            click.echo(f"not certified: {wrong}", err=True)
            raise click.exceptions.Exit(1) from None


async def _certified(
    settings: Settings,
    pack: str,
    runs: int,
    seed: int,
    ground_name: str,
    world: Path,
    quiet: bool,
) -> tuple[Certificate, Tally]:
    from gateway.catalogue import pins as pin_files
    from gateway.certify import run
    from gateway.certify.ground import ground
    from gateway.undo.reverser import version_of

    pins = pin_files.load(settings.policy_dir, settings.servers)
    tried, name = ground(ground_name)
    async with AsyncExitStack() as stack:
        scratch = await run.open_scratch(stack, settings, pins, pack, tried, world)
        version = version_of(scratch.servers[pack])
        with click.progressbar(length=runs, label=pack, hidden=quiet) as bar:
            tally = await run.certify(
                scratch, tried, world, runs=runs, seed=seed, told=lambda _: bar.update(1)
            )
        missing = run.untried(scratch, tally.cases)
    return _spoken(scratch, version, missing, tally, seed, name), tally


def _spoken(
    scratch: Scratch, version: str | None, missing: list[str], tally: Tally, seed: int, ground: str
) -> Certificate:
    """The certificate. Raises `Misconfigured` when the runs do not speak for all of the pack."""
    from gateway.errors import Misconfigured
    from gateway.undo.certificate import Certificate

    if missing:
        raise Misconfigured(
            f"never reached: {'; '.join(missing)}", hint="more runs, or a ground that goes there"
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
