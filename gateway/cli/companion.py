"""`bulkhead companion git|files ROOT`: a rollback-only tool server over standard input and output.

Named in bulkhead.yaml with `companion_of`; the gateway starts it, no person and no agent does.
"""

from __future__ import annotations

from pathlib import Path

import click

from gateway import __version__

_root = click.argument("root", type=click.Path(path_type=Path))


@click.group()
def command() -> None:
    """Serve what a tool server has no tool for: putting things back."""


@command.command()
@_root
@click.option(
    "--max-bytes", type=click.IntRange(1), default=8 * 1024 * 1024, show_default=True,
    help="The largest file that is read.",
)  # fmt: skip
def files(root: Path, max_bytes: int) -> None:
    """Bytes and modes of files below ROOT, compare-and-swap."""
    from gateway.undo.companion import base
    from gateway.undo.companion import files as served

    base.serve("bulkhead-files", __version__, served.files(root, max_bytes))


@command.command()
@_root
def git(root: Path) -> None:
    """Refs, HEAD and index of repositories below ROOT, compare-and-swap."""
    from gateway.undo.companion import base
    from gateway.undo.companion import git as served

    base.serve("bulkhead-git", __version__, served.git(root))
