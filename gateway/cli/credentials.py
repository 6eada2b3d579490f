"""`bulkhead credentials`: what was lent for tool servers, and what became of it. There is no secret to be shown."""

from __future__ import annotations

from pathlib import Path

import click

from gateway import settings
from gateway.cli import credentials_text as told
from gateway.cli.options import tell, usual_options
from gateway.core.credential import CredentialLease
from gateway.values import as_plain


@click.group()
def command() -> None:
    """See which credentials for tool servers are in use, and how others ended."""


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Also those that are over, of the last 30 days.")
@click.option("--server", help="Of this server.")
@usual_options
def list_leases(config: Path, as_json: bool, every: bool, server: str | None) -> None:
    """Leases, newest first."""
    loaded = settings.load(config)
    leases = [each for each in _leases(loaded, every) if server in (None, each.server)]
    lines = told.lines(leases) if leases else ["No credential is in use."]
    tell(as_json, [as_plain(each) for each in leases], lines)


def _leases(loaded: settings.Settings, every: bool) -> list[CredentialLease]:
    from gateway.journals.credentials import read

    path = loaded.journal_file
    return read(path, live=not every) if path.exists() else []
