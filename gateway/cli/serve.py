"""`bulkhead serve`: the gateway over HTTP, until it is told to stop."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from pathlib import Path
from typing import Final

import click
import uvloop

from gateway import settings as settings_file
from gateway.app.beside import beside
from gateway.app.gateway import Gateway, open_gateway
from gateway.cli import logs
from gateway.cli.options import config_option
from gateway.cli.visible import visible
from gateway.settings import Settings
from gateway.wire.agents import http, tls
from gateway.wire.agents.face import Face

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
WHOLE: Final = 1024 * 1024
"""Bytes. What is larger is the system's: a body that grows need not be copied, and is given back whole."""
KEPT: Final = 4 * 1024 * 1024
"""Bytes of free memory the process keeps."""

BREATH: Final = 0.05
"""Seconds from the first connection to the start of what was not waited for."""


@click.command()
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
)
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@config_option
def command(config: Path, log_level: str, log_format: logs.Form) -> None:
    """Stand between agents and tool servers, over HTTP. Stops on Ctrl-C or SIGTERM."""
    logs.begin(log_level, log_format)
    settings = settings_file.load(config)
    tls.check(settings)
    uvloop.run(_serve(settings, config))


async def _serve(settings: Settings, config: Path) -> None:
    async with open_gateway(settings) as gateway, beside(gateway, deadlines=config):
        face = Face(
            gateway.gate,
            settings,
            gateway.ready,
            gateway.catalogue,
            desk=gateway.desk,
            events=gateway.events,
            give_up=gateway.journal.leases().give_up,
        )
        _settle_memory()
        await http.serve(face, settings, on_ready=lambda address: _up(gateway, address))


def _settle_memory() -> None:
    """What stands by now stays to the end: no collection looks through it again. One that looked through all
    of it would hold up every call by tens of milliseconds. And pieces of large results come and go: their
    memory is not given back to the system and taken again for each."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc; elsewhere it is as it is
        libc.mallopt(_M_MMAP_THRESHOLD, WHOLE)
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT)


def _up(gateway: Gateway, address: str) -> None:
    _greet(gateway, address)
    # What waits for this takes the processor for a while: whoever stands at the door is answered first.
    asyncio.get_running_loop().call_later(BREATH, gateway.up.set)


def _greet(gateway: Gateway, address: str) -> None:
    scheme = "http" if gateway.settings.tls is None else "https"
    click.echo(f"bulkhead serves on {scheme}://{address}")
    status = gateway.catalogue.status()
    width = max(map(len, status), default=0)
    for name, server in status.items():
        withheld = f", {server['quarantined']} withheld" if server["quarantined"] else ""
        trouble = f" ({visible(server['error'])})" if server["error"] else ""
        tools = f"{server['tools']} tools{withheld}"
        click.echo(f"  {name:<{width}}  {server['state']}: {tools}{trouble}")
    if gateway.in_doubt:
        click.echo(f"In doubt since an earlier run: {', '.join(gateway.in_doubt)}")
        click.echo(
            "Look at each with: bulkhead journal show CALL; settle with: bulkhead journal settle"
        )
