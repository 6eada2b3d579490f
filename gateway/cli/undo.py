"""`bulkhead undo`: check the packs, draft one for a server, certify one by trying it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.certify import certify
from gateway.cli.options import config_option, print_json, usual_options

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.undo.draft import Offered
    from gateway.undo.packfile import Pack
    from gateway.undo.packs import Packs

FETCH_SECONDS = 30.0


@click.group()
def command() -> None:
    """Undo packs: how a server's calls are taken back."""


command.add_command(certify, "certify")


@command.command()
@usual_options
def check(config: Path, as_json: bool) -> None:
    """Read every pack as the gateway does, and say what each of its tools can have undone.

    A pack with a fault ends this with its file and line. Exit status 1: a tool of a pack cannot be used
    as things stand (not approved, another descriptor, a value or a companion missing).
    """
    from gateway import settings as settings_file
    from gateway.app.reverse import open_packs
    from gateway.policy.live import LivePolicies

    settings = settings_file.load(config)
    packs = open_packs(settings, LivePolicies(settings.policy_dir, settings.servers)).current
    rows = [_row(name, pack, packs) for name, pack in packs.by_server.items()]
    if as_json:
        print_json(rows)
    else:
        _print(rows, sorted(settings.offered - packs.by_server.keys()))
    if any(not tool["usable"] for row in rows for tool in row["tools"]):
        sys.exit(1)


def _row(name: str, pack: Pack, packs: Packs) -> dict[str, Any]:
    certified = sorted(packs.certified.get(f"{name}@{pack.digest}", ()))
    return {
        "server": name,
        "file": pack.file,
        "digest": pack.digest,
        "written_for": f"{pack.name} {pack.versions}",
        "certified_for": certified,
        "tools": [_tool(tool, found) for tool, found in pack.tools.items()],
    }


def _tool(name: str, found: Any) -> dict[str, Any]:
    from gateway.core.reverse import Reversal

    if isinstance(found, Reversal):
        return {"tool": name, "usable": False, "why": found.why, "cases": []}
    cases = [
        {
            "where": str(case.where),
            "level": case.level,
            "strategy": case.strategy,
            "guard": case.guard,
            "fidelity": case.fidelity,
            "residue": list(case.residue),
        }
        for case in found.tool.cases
    ]
    return {"tool": name, "usable": True, "why": "", "cases": cases}


def _print(rows: list[dict[str, Any]], without: list[str]) -> None:
    for row in rows:
        held = ", ".join(row["certified_for"])
        sure = f"certified for {held}" if held else "not certified: compensable at most"
        click.echo(f"{row['server']}: {row['file']} ({row['written_for']}; {sure})")
        for tool in row["tools"]:
            told = tool["why"] or "; ".join(_case(case) for case in tool["cases"])
            click.echo(f"  {tool['tool']}: {told}")
    for name in without:
        click.echo(f"{name}: no pack; its calls have the level unknown")


def _case(case: dict[str, Any]) -> str:
    if case["strategy"] == "none":
        return str(case["level"])
    return f"{case['level']} by {case['strategy']}, guard {case['guard']}"


@command.command()
@config_option
@click.option("--write", is_flag=True, help="Write it where packs lie, unless there is one.")
@click.argument("server")
def draft(config: Path, server: str, write: bool) -> None:
    """Propose a pack for SERVER from what it, and its companion, say of themselves.

    Both are started and asked for their tools; no tool is called.
    """
    from gateway import settings as settings_file
    from gateway.errors import Misconfigured
    from gateway.undo import draft as drafts
    from gateway.undo.packs import DIRECTORY

    settings = settings_file.load(config)
    if server not in settings.offered:
        raise Misconfigured(f"no server {server!r} that agents are offered, in {config}")
    path = settings.policy_dir / DIRECTORY / f"{server}.yaml"
    if write and path.exists():
        raise Misconfigured(f"{path} is there already", hint="leave out --write to see a draft")
    offered, companion = asyncio.run(_asked(settings, server))
    try:
        text = drafts.draft(server, offered, companion)
    except ValueError as error:
        raise Misconfigured(f"{server}: {error}") from None
    if not write:
        click.echo(text, nl=False)
        return
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    click.echo(f"Written: {path}. Now read it, correct it, and: bulkhead undo check")


async def _asked(settings: Settings, server: str) -> tuple[Offered, Offered | None]:
    companions = [n for n, one in settings.servers.items() if one.companion_of == server]
    async with AsyncExitStack() as stack:
        offered = await _offered(stack, settings, server)
        found = [await _offered(stack, settings, name) for name in companions]
    return offered, (found[0] if found else None)


async def _offered(stack: AsyncExitStack, settings: Settings, name: str) -> Offered:
    from gateway.app.credentials import opened_beside
    from gateway.catalogue.fetch import fetch_lists
    from gateway.errors import Misconfigured
    from gateway.undo.draft import Offered

    opened = await stack.enter_async_context(opened_beside(settings, name))
    lists = await fetch_lists(name, opened, FETCH_SECONDS)
    if "tool" not in lists.kinds:
        raise Misconfigured(lists.problems.get("tool", f"{name} lists no tools"))
    info = opened.describe().get("server_info") or {}
    tools = [
        (item.raw, item.digest)
        for item in lists.kinds["tool"].items
        if not item.fault and item.name
    ]
    return Offered(str(info.get("name", "")), str(info.get("version", "")), tools)
