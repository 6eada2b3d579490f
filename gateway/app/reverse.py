"""Wires step 9 of the Line, which finds out how a write would be undone, and the looks it takes. No rule lives here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.app.clock import DAY, microseconds, new_call_id
from gateway.catalogue import pins
from gateway.catalogue.live import LiveCatalogue
from gateway.core.model import Target
from gateway.journals.sqlite import SqliteJournal
from gateway.policy.live import LivePolicies
from gateway.ports import Protector, ToolServer
from gateway.settings import Settings
from gateway.undo.live import LivePacks
from gateway.undo.own import OwnReads
from gateway.undo.reverser import PackReverser


def open_packs(settings: Settings, policies: LivePolicies) -> LivePacks:
    """The undo packs in force. Raises `Misconfigured` at file:line."""

    def redacted(targets: Iterable[Target]) -> dict[Target, list[str]]:
        tools = (target for target in targets if target.kind == "tool")
        marks = {target: policies.current.marks_of(target) for target in tools}
        return {
            target: [pointer for pointer, mark in marked.items() if mark == "redacted"]
            for target, marked in marks.items()
        }

    return LivePacks(
        settings.policy_dir,
        settings.servers,
        lambda: pins.load(settings.policy_dir, settings.servers).by_target,
        redacted,
    )


def own_reads(
    journal: SqliteJournal, protector: Protector, servers: Mapping[str, ToolServer]
) -> OwnReads:
    """The gateway's own looks at the world, for whoever must look."""
    return OwnReads(
        journal=journal,
        protector=protector,
        servers=servers,
        clock=microseconds,
        new_call_id=new_call_id,
    )


def reversing(
    settings: Settings,
    packs: LivePacks,
    reads: OwnReads,
    journal: SqliteJournal,
    protector: Protector,
    servers: Mapping[str, ToolServer],
    catalogue: LiveCatalogue,
) -> PackReverser:
    """Step 9 of the Line."""

    async def withheld(target: Target) -> str | None:
        return catalogue.current.quarantined.get(target)

    keeps = settings.retention.images
    return PackReverser(
        packs=packs,
        journal=journal,
        leases=journal.leases(),
        reads=reads,
        protector=protector,
        servers=servers,
        settings=settings.servers,
        clock=microseconds,
        withheld=withheld,
        keeps=None if keeps is None else keeps * DAY,
    )
