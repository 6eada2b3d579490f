"""`bulkhead companion ...`: a rollback-only tool server over standard input and output.

Named in bulkhead.yaml with `companion_of`; the gateway starts it, no person and no agent does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from gateway import __version__
from gateway.cli.options import F

_root = click.argument("root", type=click.Path(path_type=Path))


def _at_most(mib: int, said: str) -> Callable[[F], F]:
    """`--max-bytes N` as `max_bytes: int`."""
    most = mib * 1024 * 1024
    return click.option(
        "--max-bytes", type=click.IntRange(1), default=most, show_default=True, help=said
    )


@click.group()
def command() -> None:
    """Serve what a tool server has no tool for: putting things back."""


@command.command()
@_root
@_at_most(8, "The largest file that is read.")
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


@command.command()
@_root
@_at_most(64, "All that is below ROOT may be, as JSON.")
def snapshot(root: Path, max_bytes: int) -> None:
    """Everything below ROOT, compared before and after a call, for tools that may write anything there."""
    from gateway.undo.companion import base, files
    from gateway.undo.companion.store import Compared
    from gateway.undo.companion.tree import Tree

    compared = Compared(Tree(root, files.MAX_BYTES), max_bytes)
    base.serve("bulkhead-snapshot", __version__, compared.operations())


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@_at_most(64, "All its rows may be, as JSON.")
def sqlite(file: Path, max_bytes: int) -> None:
    """Every row of a SQLite FILE and how its tables are made, compared before and after a call."""
    from gateway.undo.companion import base
    from gateway.undo.companion.sqlitefile import SqliteFile
    from gateway.undo.companion.store import Compared

    compared = Compared(SqliteFile(file), max_bytes)
    base.serve("bulkhead-sqlite", __version__, compared.operations())


@command.command()
@click.argument("socket", type=click.Path(path_type=Path))
def join(socket: Path) -> None:
    """The companion that a tool server itself serves at SOCKET (gateway.undo.companion, `beside`)."""
    from gateway.undo.companion import beside

    beside.join(socket)
