"""`bulkhead stdio`: a gateway for one agent, for MCP hosts that start a command.

Who the agent is: the token in BULKHEAD_TOKEN, or, with --agent, whoever may read this machine's
signing key says so by starting it. Nothing but JSON-RPC goes to standard output.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import click

from gateway import settings as settings_file
from gateway.app.beside import beside
from gateway.app.clock import seconds
from gateway.app.gateway import Gateway, open_gateway
from gateway.cli import logs
from gateway.cli.options import config_option
from gateway.cli.token import endpoint_of, identity_facts
from gateway.core.model import Endpoint, Evidence, Tier
from gateway.errors import Misconfigured
from gateway.identity.local import DEFAULT_TTL
from gateway.settings import Settings
from gateway.values import replace
from gateway.wire.agents import lines, stdio

TOKEN = "BULKHEAD_TOKEN"
LAST_SECONDS = 15
"""From such a signal on. Longer than tool servers get to end."""
ALWAYS = 2**53
"""Seconds since the epoch: further off than any token's end may be."""


@click.command()
@click.option("--agent", help=f"Who the agent is. Without it, the token in {TOKEN} says so.")
@click.option(
    "--tier", type=click.Choice([tier.value for tier in Tier]), help="Serve one tier only."
)
@click.option("--server", help="Serve one tool server, transparently, under its own names.")
@click.option(
    "--task", help="With --agent: its task, e.g. of its grant; a fresh one when left out."
)
@click.option("--intent", default="general", show_default=True, help="With --agent: its purpose.")
@config_option
def command(
    agent: str | None,
    tier: str | None,
    server: str | None,
    task: str | None,
    intent: str,
    config: Path,
) -> None:
    """The same for one agent, over standard input and output."""
    logs.begin("warning")
    settings = _without_page(settings_file.load(config))
    endpoint = endpoint_of(settings, (tier,) if tier else (), server)
    if endpoint.tier is Tier.ADMIN and agent is not None:
        raise Misconfigured(f"the admin tier needs a token in {TOKEN}, not --agent")
    if agent is None and not os.environ.get(TOKEN):
        raise Misconfigured(f"who is the agent? Give --agent NAME, or a token in {TOKEN}")
    asyncio.run(_serve(settings, endpoint, agent, intent, task))


def _without_page(settings: Settings) -> Settings:
    """The page of metrics is the serving gateway's: any number of hosts may start one of these beside it."""
    asked = settings.telemetry
    rest = asked.model_copy(update={"prometheus": None}) if asked and asked.otlp else None
    return settings.model_copy(update={"telemetry": rest})


async def _serve(
    settings: Settings, endpoint: Endpoint, agent: str | None, intent: str, task: str | None = None
) -> None:
    with lines.standard() as wire:
        async with open_gateway(settings, wire.over) as gateway, beside(gateway):
            mint = None if agent is None else _minting(gateway, endpoint, agent, intent, task)
            token = mint() if mint else os.environ.get(TOKEN, "")
            evidence = Evidence((f"Bearer {token}",), endpoint)
            # Verified now, so that a bad token ends the command; and, if it was given, for every request.
            identity = await gateway.gate.identify(evidence)
            # Who was named by whoever started this is that agent as long as it runs.
            who = replace(identity, expires_at=ALWAYS) if mint else evidence
            if mint:
                gateway.tokens.mints(endpoint, identity, mint)
            gateway.up.set()
            talk = stdio.converse(gateway.gate, endpoint, who, wire, settings.limits)
            serving = asyncio.ensure_future(talk)
            _end_when_told(serving)
            with contextlib.suppress(asyncio.CancelledError):
                await serving


def _end_when_told(serving: asyncio.Future[None]) -> None:
    """SIGTERM is what the end of the input is: many hosts say no more, nor does a terminal that is closed (SIGHUP).
    What is under way is written down, and tool servers are ended, not killed. If anything hangs after that, SIGALRM
    ends the process."""

    def told() -> None:
        serving.cancel()
        signal.alarm(LAST_SECONDS)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            asyncio.get_running_loop().add_signal_handler(number, told)


def _minting(
    gateway: Gateway, endpoint: Endpoint, agent: str, intent: str, task: str | None
) -> Callable[[], str]:
    """Makes tokens that say the same."""
    facts = identity_facts(gateway.settings, agent, task, intent, None)

    def mint() -> str:
        # By the clock they are believed by.
        return gateway.identities.minting.mint(
            **facts, endpoint=endpoint, tiers=endpoint.tiers, now=seconds(), ttl=DEFAULT_TTL
        )

    return mint
