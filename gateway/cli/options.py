"""Options and output every command shares: --config, --json, one clear line for an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


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


def print_json(value: Any) -> None:
    """One JSON document on standard output; control characters escaped."""
    click.echo(json.dumps(value, indent=2, default=str))
