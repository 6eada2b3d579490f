"""Options and output every command shares: --config, --json, one clear line for an error."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
"""What a decorator is put on."""


def config_option(command: F) -> F:
    """`--config FILE` as `config: Path`; the environment variable BULKHEAD_CONFIG will do too."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("bulkhead.yaml"),
        envvar="BULKHEAD_CONFIG",
        show_default=True,
        help="The gateway's settings.",
    )(command)


def json_option(command: F) -> F:
    """`--json` as `as_json: bool`: the same answer for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def usual_options(command: F) -> F:
    """`--config` and `--json`, which nearly every command has."""
    return config_option(json_option(command))


def read_json(text: bytes, name: str) -> dict[str, Any]:
    """One JSON object, read as an agent's is: one reading or none. Raises `click.UsageError`."""
    from gateway.errors import Refused
    from gateway.wire import strict_json

    try:
        value = strict_json.parse(text, max_bytes=4 * 1024 * 1024, max_depth=64)
    except Refused as no:
        raise click.UsageError(f"{name}: {no.detail}") from None
    if not isinstance(value, dict):
        raise click.UsageError(f"{name} must be a JSON object")
    return value


def confirm(question: str, *, err: bool = True) -> None:
    """A person's yes, or the command ends here. Raises `click.UsageError` where nobody can be asked."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        # Python's `input` needs all three; and who has not seen it cannot have meant it.
        raise click.UsageError("a closed standard stream leaves nobody to ask: say --yes")
    try:
        sure = click.confirm(question, err=err)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("the input ended without an answer: say --yes") from None
    if not sure:
        raise click.Abort


def confirm_on_a_terminal(what: str, question: str) -> None:
    """The same; a script must have said --yes. Raises `Misconfigured`."""
    from gateway.errors import Misconfigured

    if sys.stdin is None or not sys.stdin.isatty():
        raise Misconfigured(f"{what} without a terminal to ask on needs --yes")
    confirm(question)


def need_scratch() -> None:
    """Before what works in a directory of its own. Raises `Misconfigured` where none can be made."""
    from gateway.errors import Misconfigured

    try:
        tempfile.gettempdir()
    except FileNotFoundError as none:
        raise Misconfigured(f"{none.strerror}: name one in TMPDIR") from None


@contextmanager
def told_if_it_can_be(said: str) -> Iterator[None]:
    """Around printing, where a reader that is gone or a full disk must not change what the command goes on to do, nor
    its exit status. `said`: what standard error hears in place of what could not be printed."""
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            click.echo(f"bulkhead: {said}; this could not be printed: {error.strerror}", err=True)
        print_no_more()


def print_no_more() -> None:
    """Standard output leads nowhere from here on: what is still to be printed, or is buffered, would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(as_json: bool, document: Any, lines: Iterable[str]) -> None:
    """The document for programs, or these lines for a person."""
    if as_json:
        print_json(document)
    else:
        for line in lines:
            click.echo(line)


def print_json(value: Any) -> None:
    """One JSON document on standard output; control characters escaped."""
    click.echo(json.dumps(value, indent=2, default=str))
