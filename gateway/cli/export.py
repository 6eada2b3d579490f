"""`bulkhead export`: the journal as OCSF events, to a file or to a collector, from where it was left off."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway import __version__, settings
from gateway.app.bearer import towards
from gateway.cli.options import config_option
from gateway.cli.reading import reader_of
from gateway.cli.visible import visible
from gateway.errors import Misconfigured
from gateway.files.alone import taken

if TYPE_CHECKING:
    from gateway.export.sinks import Sink

POLL_SECONDS: Final = 1.0
TIMEOUT_SECONDS: Final = 30.0
TOKEN: Final = "BULKHEAD_EXPORT_TOKEN"


@click.command()
@config_option
@click.argument("to")
@click.option("-f", "--follow", is_flag=True, help="Stay, and deliver lines as they are written.")
def command(config: Path, to: str, follow: bool) -> None:
    """Deliver every line of the journal to TO: a file, or the http(s) URL of a collector.

    It goes on where it was left off and misses nothing. A bearer token for the collector is taken from
    the environment variable BULKHEAD_EXPORT_TOKEN. Exit status 1: it could not be delivered.
    """
    from gateway.export.run import catch_up
    from gateway.export.sinks import Undelivered

    loaded = settings.load(config)
    reader, sink = reader_of(loaded), _sink(loaded.state_dir, to)
    with _alone(loaded.state_dir, to):
        while True:
            try:
                delivered = catch_up(reader, sink, __version__)
            except Undelivered as error:
                click.echo(f"bulkhead: {visible(str(error))}", err=True)
                if not follow:
                    sys.exit(1)
            else:
                if not follow:
                    click.echo(f"{delivered} lines delivered", err=True)
                    return
            time.sleep(POLL_SECONDS)


@contextmanager
def _alone(state: Path, to: str) -> Iterator[None]:
    """Two at once would deliver the same lines twice. Raises `Misconfigured`."""
    lock = state / f"{_kept(to if _is_url(to) else str(Path(to).resolve()))}.lock"
    try:
        held = taken(lock)
    except OSError as error:
        raise Misconfigured(f"{lock}: {error.strerror}") from None
    if held is None:
        raise Misconfigured(f"{to}: another export to it is at work")
    try:
        yield
    finally:
        os.close(held)


def _is_url(to: str) -> bool:
    return to.startswith(("http://", "https://"))


def _kept(to: str) -> str:
    """What files about this place begin with."""
    return f"export-{hashlib.sha256(to.encode()).hexdigest()[:16]}"


def _sink(state: Path, to: str) -> Sink:
    import httpx

    from gateway.export.sinks import FileSink, HttpSink

    if not _is_url(to):
        if "://" in to:
            raise Misconfigured(f"{to}: a file, or an http(s) URL")
        return FileSink(Path(to))
    client = httpx.Client(timeout=TIMEOUT_SECONDS, **towards(to, TOKEN))
    return HttpSink(to, state / f"{_kept(to)}.cursor", client)
