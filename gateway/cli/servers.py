"""`bulkhead servers`: see what tool servers offer, compare it with what was approved, approve it.

Connects the servers itself; a running gateway notices the new pins by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gateway import settings as settings_file
from gateway.app.credentials import opened_beside
from gateway.catalogue import pins as pin_files
from gateway.catalogue.fetch import Lists, fetch_lists
from gateway.catalogue.merge import merge
from gateway.catalogue.pins import Pin, Pins
from gateway.catalogue.review import Review, review, whole_digest
from gateway.catalogue.text import printable
from gateway.cli import named
from gateway.cli import servers_text as told
from gateway.cli.operators import logged_in
from gateway.cli.options import confirm_on_a_terminal, print_json, usual_options
from gateway.config import yamlfile
from gateway.errors import Misconfigured
from gateway.settings import Settings

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(0.1, 600),
    default=30.0,
    show_default=True,
    help="Seconds per server.",
)


@click.group()
def command() -> None:
    """See, inspect and approve what tool servers offer."""


@command.command("list")
@usual_options
@timeout_option
def list_servers(config: Path, as_json: bool, timeout: float) -> None:
    """All servers: do they answer, and how much of what they offer is approved."""
    settings = settings_file.load(config)
    pins = pin_files.load(settings.policy_dir, settings.servers)
    read = asyncio.run(_read_all(settings, list(settings.servers), timeout))
    table = merge(read, pins, settings.servers)
    rows = [
        told.summary(name, settings.servers[name], lists, review(name, lists, pins.of(name)), table)
        for name, lists in read.items()
    ]
    if as_json:
        print_json(rows)
    else:
        told.print_summaries(rows)


@command.command()
@usual_options
@timeout_option
@click.option("--full", is_flag=True, help="Show approved descriptors in full, too.")
@click.argument("name")
def inspect(config: Path, as_json: bool, timeout: float, full: bool, name: str) -> None:
    """One server: every descriptor, what changed since it was approved, and what to look at twice."""
    settings, _, read, reviews = _look(config, name, timeout)
    draft = _draft(settings, name, reviews)
    if as_json:
        print_json(told.as_json(name, read, reviews, draft))
    else:
        told.print_inspection(name, read, reviews, full)
        if draft:
            told.print_draft(draft)


@command.command()
@usual_options
@timeout_option
@click.option("--all", "everything", is_flag=True, help="All that is new or changed.")
@click.option("--only", help="Names, with commas between: status,prompt:review")
@click.option(
    "--digest", "expected", help="Approve only if this is still what is offered (see inspect)."
)
@click.option("--forget", is_flag=True, help="Drop approvals of what is no longer listed.")
@click.option("--by", help="Who approves. Default: the user running this.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("name")
def approve(
    config: Path,
    as_json: bool,
    timeout: float,
    everything: bool,
    only: str | None,
    expected: str | None,
    forget: bool,
    by: str | None,
    yes: bool,
    name: str,
) -> None:
    """Approve descriptors of one server as they are now."""
    if everything == (only is not None):
        raise Misconfigured("say what to approve: --all, or --only NAME,NAME")
    _, pins, read, reviews = _look(config, name, timeout)
    chosen = [r for r in reviews if r.pending] if only is None else _only(reviews, only)
    if expected is not None:
        _check_digest(expected, reviews, chosen)
    dropped = [r for r in reviews if r.status == "gone"] if forget else []
    if not as_json:
        told.print_choice(name, read, reviews, chosen, dropped)
    if chosen or dropped:
        if not yes:
            drop = f" and forget {len(dropped)}" if dropped else ""
            confirm_on_a_terminal("approving", f"Approve {len(chosen)}{drop}?")
        _write(pins, name, chosen, dropped, by or logged_in() or "unknown")
    if as_json:
        print_json(
            {"server": name, "approved": told.names(chosen), "forgotten": told.names(dropped)}
        )


def _look(config: Path, name: str, deadline: float) -> tuple[Settings, Pins, Lists, list[Review]]:
    """Settings, pins, what the server lists now, and both beside each other. Raises `Misconfigured`."""
    settings = settings_file.load(config)
    named.server(settings, name)
    pins = pin_files.load(settings.policy_dir, settings.servers)
    read = asyncio.run(_read_all(settings, [name], deadline))[name]
    if not read.kinds:
        raise Misconfigured(printable(next(iter(read.problems.values()))))
    return settings, pins, read, review(name, read, pins.of(name))


async def _read_all(settings: Settings, names: Sequence[str], deadline: float) -> dict[str, Lists]:
    """Every server's lists, all at once; a broken one has its problem and delays nobody."""
    found = await asyncio.gather(*(_read(settings, name, deadline) for name in names))
    return dict(zip(names, found, strict=True))


async def _read(settings: Settings, name: str, deadline: float) -> Lists:
    """A companion may be served from within its own server: then that one has to be up."""
    host = settings.servers[name].companion_of
    async with AsyncExitStack() as stack:
        if host is not None:
            with suppress(Misconfigured):
                up = await stack.enter_async_context(opened_beside(settings, host))
                await fetch_lists(host, up, deadline)
        try:
            server = await stack.enter_async_context(opened_beside(settings, name))
        except Misconfigured as error:
            return Lists({}, {"tool": str(error)})
        return await fetch_lists(name, server, deadline)


def _only(reviews: Sequence[Review], only: str) -> list[Review]:
    """The named ones. Raises `Misconfigured` for a name that is not offered or cannot be approved."""
    by_name = {r.target.policy_name: r for r in reviews}
    chosen = []
    for name in filter(None, (part.strip() for part in only.split(","))):
        found = by_name.get(name)
        if found is None:
            raise Misconfigured(
                f"the server has no {name!r}", hint="bulkhead servers inspect shows all"
            )
        if found.status in ("unfit", "gone", "unread"):
            raise Misconfigured(f"{name}: {found.status}: {printable(found.note) or 'not listed'}")
        chosen.append(found)
    return [r for r in chosen if r.pending]


def _check_digest(expected: str, reviews: Sequence[Review], chosen: Sequence[Review]) -> None:
    """The digest of all that is listed, or of the one descriptor that is chosen."""
    valid = {whole_digest(reviews)}
    if len(chosen) == 1 and chosen[0].live is not None:
        valid.add(chosen[0].live.digest)
    if expected not in valid:
        raise Misconfigured(
            f"{expected[:23]} is stale: the server offers something else now",
            hint="inspect it again",
        )


def _write(
    pins: Pins, name: str, chosen: Sequence[Review], dropped: Sequence[Review], by: str
) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    approved = {
        r.target: Pin(r.live.digest, now, by, r.live.raw) for r in chosen if r.live is not None
    }
    after = pins.having(approved).without({r.target for r in dropped})
    path = pin_files.save(after, name)
    click.echo(f"Approved {len(approved)}, forgot {len(dropped)}: {path}", err=True)


def _draft(settings: Settings, name: str, reviews: Sequence[Review]) -> str:
    """A first section for tiers.yaml, when that file has none for this server."""
    path = settings.policy_dir / "tiers.yaml"
    tree: Any = yamlfile.read(path) if path.exists() else {}
    if name in (tree.get("servers") or {}):
        return ""
    from gateway.policy.draft import draft_tiers

    return draft_tiers(
        name,
        [
            r.live.raw
            for r in reviews
            if r.live and isinstance(r.live.raw, dict) and r.target.kind != "about"
        ],
    )
