"""Names of agents, tasks and servers as an operator types them. One that nobody can have is a slip, and is told.

Whether there is an agent or a task of a name that can be had is not known here: their tokens come from elsewhere.
"""

from __future__ import annotations

from typing import Final

import click

from gateway.config.issuers import AGENT, WORD
from gateway.core.fence import Fence
from gateway.errors import Misconfigured
from gateway.settings import Settings

ANY: Final = "*"
"""Given as a tenant: whosever it is."""


def agent(name: str) -> str:
    """As the journal has it: `agent:` in front may be left out."""
    return name if ":" in name else f"agent:{name}"


def task(name: str) -> str:
    """It, if a token can carry it. Raises `click.UsageError`."""
    if not WORD.fullmatch(name):
        raise click.UsageError(f"{name!r} is no task's name")
    return name


def tenant(name: str) -> str:
    """It, if a token can carry it; or none. Raises `click.UsageError`."""
    if name and not WORD.fullmatch(name):
        raise click.UsageError(f"{name!r} is no tenant's name")
    return name


def server(loaded: Settings, name: str) -> str:
    """It, if bulkhead.yaml has it. Raises `Misconfigured`."""
    if name not in loaded.servers:
        raise Misconfigured(f"no server {name!r} in the settings", hint=", ".join(loaded.servers))
    return name


def can_be(loaded: Settings, fence: Fence) -> None:
    """Raises `click.UsageError` or `Misconfigured` for a fence on what cannot be: nobody hears that it was stopped."""
    scope, value = fence.scope, fence.value
    if scope == "server":
        server(loaded, value)
    if not is_name(fence):
        raise click.UsageError(f"{value!r} is no {scope}'s name")
    tenant(fence.tenant)


def is_name(fence: Fence) -> bool:
    """Can anybody, or anything, be called what it names?"""
    if fence.scope == "agent":
        return AGENT.fullmatch(fence.value.removeprefix("agent:")) is not None
    has_word = fence.scope in ("task", "tenant", "grant")
    return not has_word or WORD.fullmatch(fence.value) is not None
