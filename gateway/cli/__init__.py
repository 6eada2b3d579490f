"""The `bulkhead` command: one file per group of commands, each imported only when it is called."""

from __future__ import annotations

import gc
import importlib
from types import ModuleType
from typing import Final

import click

from gateway import __version__

COMMANDS: Final[dict[str, str]] = {
    "init": "Make the files a gateway starts from.",
    "serve": "Stand between agents and tool servers, over HTTP.",
    "stdio": "The same for one agent, over standard input and output.",
    "token": "Mint a short-lived token of the embedded issuer.",
    "servers": "See, inspect and approve what tool servers offer.",
    "grant": "Say what a task may do, for how long and how often.",
    "credentials": "See what the gateway has been lent for tool servers.",
    "contain": "Stop an agent, a task or more at once, and undo what it did.",
    "fence": "See what is stopped, and let go of it again.",
    "policy": "Check, test, explain and rehearse the policy.",
    "companion": "Serve what undoes the calls of a git or file server.",
    "journal": "Read what was asked, decided and done.",
    "warrant": "Print the signed receipt of one call.",
    "verify": "Check warrants offline: authorised, bounded, reversible.",
    "evidence": "Check the journal against its checkpoints; prove a call.",
    "export": "Deliver the journal to a SIEM, as OCSF events.",
    "approvals": "See, allow and refuse calls that need a person's leave.",
    "break-glass": "Open the admin tier for one agent at one server: two persons, 15 minutes.",
    "undo": "Check, draft and certify undo packs.",
    "rollback": "Undo calls: look first, then do it, and prove it.",
    "held": "See what waits to be sent; send it now, or take it back.",
    "task": "Have a task undone unless it is confirmed in time.",
    "play": "Play a story against real tool servers and tell it.",
}
"""Name -> one line of help. `gateway/cli/<name>.py` holds the click command, as `command`."""


class Commands(click.Group):
    """Loads a command's module when it is asked for: `bulkhead token` never imports the gateway."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = _loaded(f"gateway.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click looks for what a slip was meant to be among commands that are loaded, and none is."""
        if args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS)
            ctx.fail(f"No such command {args[0]!r}." + f" Is it {' or '.join(near)}?" * bool(near))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _loaded(module: str) -> ModuleType:
    """What is loaded stays to the end: no collection looks through it, neither while it comes nor later."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="bulkhead")
def root() -> None:
    """Bulkhead: an MCP gateway that proves an agent's action was authorised, bounded and reversible."""
