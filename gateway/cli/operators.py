"""Who types a command: the operator the policy is asked about."""

from __future__ import annotations

import getpass
import re
from typing import Final

import click

from gateway.cli.options import F

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}")


def logged_in() -> str | None:
    """The name of who runs this command; None where the machine knows none, as in most containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the first before Python 3.13
        return None


def _operator(context: click.Context, option: click.Parameter, name: str | None) -> str:
    name = name or logged_in()
    if name is None:
        raise click.UsageError(
            "this machine knows no name of yours: say who you are with --as NAME"
        )
    if not _NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} is no operator's name")
    return f"operator:{name}"


def operator_option(command: F) -> F:
    """`--as NAME` as `operator: str`, `operator:NAME`; who is logged in without it."""
    return click.option(
        "--as",
        "operator",
        callback=_operator,
        metavar="NAME",
        help="The operator. Default: who is logged in.",
    )(command)
