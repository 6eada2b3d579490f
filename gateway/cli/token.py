"""`bulkhead token`: a short-lived token of the embedded issuer, for one agent at one endpoint.

Prints the token and nothing else on standard output, so that it can stand in `$(...)`.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import click

from gateway import settings as settings_file
from gateway.cli import named
from gateway.cli.options import config_option, confirm_on_a_terminal, json_option, print_json
from gateway.cli.times import Seconds
from gateway.core.model import Endpoint, Tier
from gateway.errors import Misconfigured
from gateway.settings import Settings


@click.command()
@click.option("--agent", required=True, help="Who the token is for, e.g. triage-1.")
@click.option(
    "--tier",
    "tiers",
    multiple=True,
    type=click.Choice([tier.value for tier in Tier]),
    help="For the endpoint of this tier (with --server: may be given twice).",
)
@click.option("--server", help="For the transparent endpoint of this tool server.")
@click.option("--grants", is_flag=True, help="For /grants, where grants are asked for.")
@click.option("--task", help="The task it works on; a fresh random id when left out.")
@click.option("--intent", default="general", show_default=True, help="The task's declared purpose.")
@click.option("--tenant", help="Default: the tenant in the settings.")
@click.option(
    "--ttl", type=Seconds(), default="15m", show_default=True, help="At most 1h; admin 15m."
)
@click.option("--grant", default="", help="For calls under this grant alone.")
@click.option("--yes", is_flag=True, help="Do not ask before minting an admin token.")
@json_option
@config_option
def command(
    agent: str,
    tiers: tuple[str, ...],
    server: str | None,
    grants: bool,
    task: str | None,
    intent: str,
    tenant: str | None,
    ttl: int,
    grant: str,
    yes: bool,
    as_json: bool,
    config: Path,
) -> None:
    """Mint a token for one agent: for /mcp, for one tier (--tier), or for one server (--server)."""
    from gateway.app.identity import open_local

    settings = settings_file.load(config)
    if grants and (tiers or server):
        raise click.UsageError("--grants is an endpoint of its own")
    endpoint = Endpoint("grants") if grants else endpoint_of(settings, tiers, server)
    if endpoint.tier is Tier.ADMIN and not yes:
        confirm_on_a_terminal("an admin token", f"Mint an ADMIN token for {agent}?")
    now = int(time.time())
    issuer = open_local(settings, now)
    facts = identity_facts(settings, agent, task, intent, tenant)
    scope = frozenset(map(Tier, tiers)) or endpoint.tiers
    token = issuer.mint(**facts, endpoint=endpoint, tiers=scope, ttl=ttl, now=now, grant=grant)
    if not as_json:
        click.echo(token)
        return
    url = settings.origin + endpoint.path
    print_json(
        {"token": token, "url": url, **facts, "tiers": sorted(scope), "expires_at": now + ttl}
    )


def identity_facts(
    settings: Settings, agent: str, task: str | None, intent: str, tenant: str | None
) -> dict[str, str]:
    """What a token says of its bearer, with the defaults filled in."""
    return {
        "agent": agent,
        "tenant": tenant or settings.tenant,
        "task": task or secrets.token_hex(6),
        "intent": intent,
    }


def endpoint_of(settings: Settings, tiers: tuple[str, ...], server: str | None) -> Endpoint:
    """The one endpoint these options mean. Raises `Misconfigured`."""
    if server is not None:
        return Endpoint("server", server=named.server(settings, server))
    if len(tiers) > 1:
        raise Misconfigured(
            "a token is for one endpoint: give one --tier, or none for data and tool"
        )
    return Endpoint("tier", Tier(tiers[0])) if tiers else Endpoint("all")
