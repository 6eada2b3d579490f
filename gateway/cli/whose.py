"""Which tenant's an agent or a task is: names are unique within a tenant only, and operators leave the tenant out.

It knows what is on record and no more. What cannot be told is None, and keeps no fence from falling.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

import click

from gateway.cli.visible import visible
from gateway.core.fence import Fence
from gateway.ports import CallFilter
from gateway.settings import Settings
from gateway.values import replace

RECENT: Final = 1_000
"""Of the latest calls of a name it is looked whose they are."""


def of_one(loaded: Settings, fences: Sequence[Fence]) -> None:
    """For when no tenant was named. Raises `click.UsageError` for a fence whose name is known in several tenants."""
    for fence in fences:
        known = _tenants(loaded, fence)
        if known is not None and len(known) > 1:
            raise click.UsageError(
                f"there is {visible(fence)} in {_listed(known)}: say --tenant, or --tenant '*' for all"
            )


def unheard_of(loaded: Settings, fences: Sequence[Fence]) -> list[str]:
    """A sentence for each fence whose name is on record nowhere, or not in its tenant: a slip, most often."""
    told = []
    for fence in fences:
        if _tenants(loaded, fence) != frozenset():
            continue
        others = _tenants(loaded, replace(fence, tenant="")) if fence.tenant else None
        elsewhere = f", but in {_listed(others)}" if others else ""
        told.append(f"nothing is on record of {visible(fence)}{elsewhere}")
    return told


def _listed(tenants: frozenset[str]) -> str:
    return " and ".join(visible(each) for each in sorted(tenants))


def _tenants(loaded: Settings, fence: Fence) -> frozenset[str] | None:
    """The tenants in which the journal knows what is fenced; its own alone, if it has one. None: it cannot be told."""
    if fence.scope not in ("agent", "task", "tenant", "grant"):
        return None
    try:
        if fence.scope == "grant":
            return _granted(loaded, fence)
        return _called(loaded, fence) | _granted(loaded, fence)
    except Exception:
        # Whatever it is: nothing may keep a fence from falling but a name that is of several.
        return None


def _called(loaded: Settings, fence: Fence) -> frozenset[str]:
    from gateway.journals.sqlite import SqliteReader

    named: dict[str, Any] = {"tenant": fence.tenant or None, fence.scope: fence.value}
    with closing(SqliteReader(loaded.journal_file)) as reader:
        records = [row.record for row in reader.calls(CallFilter(**named), RECENT)]
    return frozenset(each.tenant for each in records if each.agent.startswith("agent:"))


def _granted(loaded: Settings, fence: Fence) -> frozenset[str]:
    from gateway.journals.grants import SqliteGrants

    with closing(SqliteGrants(loaded.journal_file)) as store:
        if fence.scope == "grant":
            found = store.find(fence.value)
            held = frozenset({found.grant.tenant} if found else ())
        else:
            held = store.tenants(fence.scope, fence.value)
    return frozenset(tenant for tenant in held if fence.tenant in ("", tenant))
