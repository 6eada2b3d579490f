"""`bulkhead warrant CALL`: the signed receipt of one call, for somebody who does not trust this gateway's owner."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.options import config_option, print_json
from gateway.cli.reading import call_named
from gateway.errors import Misconfigured, to_install

if TYPE_CHECKING:
    from gateway.evidence.checkpoint import Notary

NO_CALL: Final = frozenset({"noted", "undoing", "undone"})
"""What an operator said, and an undo: the calls it took back have its verdicts in their warrants."""


@click.command()
@config_option
@click.option(
    "--cose",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to this file as a SCITT signed statement (COSE). Needs the extra `cose`.",
)
@click.argument("call_id")
def command(config: Path, cose: Path | None, call_id: str) -> None:
    """Print the warrant of a call, as JSON. CALL_ID may be shortened to its first 6 characters or more.

    Check it with `bulkhead verify`, or with the one file gateway/evidence/verify.py, anywhere.
    """
    from gateway import settings
    from gateway.app.warrants import open_registry
    from gateway.evidence.proof import NotYet

    registry = open_registry(settings.load(config).state_dir)
    call = call_named(call_id, registry.reader)
    if call.state in NO_CALL:
        why = f"{call_id} is no call to a tool server, and has no warrant"
        raise Misconfigured(why, hint=f"its lines: bulkhead evidence prove {call_id}")
    try:
        made = registry.warrant(call)
    except NotYet as reason:
        click.echo(f"bulkhead: {reason}: a gateway that runs signs one within a second", err=True)
        sys.exit(1)
    if cose is None:
        print_json(made)
    else:
        cose.write_bytes(_statement(made, registry.notary))


def _statement(made: dict[str, Any], notary: Notary) -> bytes:
    try:
        from gateway.evidence.cose import statement
    except ImportError:
        why = "a COSE statement needs one more package"
        raise Misconfigured(why, hint=to_install("cose")) from None
    return statement(made, notary)
