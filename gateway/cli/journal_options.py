"""Which calls: the options every `bulkhead journal` command shares, and what they are read as."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

import click

from gateway.app.clock import microseconds
from gateway.cli import named
from gateway.cli.options import F
from gateway.core.model import Tier
from gateway.core.record import State
from gateway.ports import CallFilter

SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Since(click.ParamType[int]):
    """`10m`, `2h`, `3d`, or an ISO 8601 date or time (local unless it names its zone); as microseconds."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        ago = re.fullmatch(r"(\d{1,9})([smhdw])", value)
        if ago:
            return microseconds() - int(ago[1]) * SECONDS[ago[2]] * 1_000_000
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1_000_000)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither like 10m, 2h, 3d nor an ISO date or time", param, ctx)


def filter_options(command: F) -> F:
    """`--agent --tenant --server --state --tier --task --grant --since`, each as an argument of its name."""
    for option in (
        click.option("--since", type=Since(), help="Begun since: 10m, 2h, 3d, or an ISO time."),
        click.option("--grant", help="Made under this grant."),
        click.option("--task", help="Of this task."),
        click.option("--tier", type=click.Choice([tier.value for tier in Tier])),
        click.option("--state", type=click.Choice([state.value for state in State])),
        click.option("--server", help="To this tool server."),
        click.option("--tenant", help="Of this tenant."),
        click.option("--agent", help="By this agent; agent: in front may be left out."),
    ):
        command = option(command)
    return command


def call_filter(
    agent: str | None,
    tenant: str | None,
    server: str | None,
    state: str | None,
    tier: str | None,
    task: str | None,
    grant: str | None,
    since: int | None,
) -> CallFilter:
    """The options as a filter."""
    whose = None if agent is None else named.agent(agent)
    return CallFilter(
        whose, server, State(state) if state else None, tier, task, since, grant, tenant
    )
