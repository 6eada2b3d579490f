"""Is what a pack rests on still offered as it was approved? What a changed tool answers proves nothing.

A pack is written for descriptors a person has seen. What its server offers now is told by whoever asks
(`Withheld`): this file knows no catalogue.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.core.model import Target
from gateway.undo.level import AnyPack

Withheld = Callable[[Target], Awaitable[str | None]]
"""Why a tool is withheld, as it is offered now; None when it is as a person approved it."""


async def changed(pack: AnyPack, server: str, withheld: Withheld) -> str | None:
    """Why this pack cannot be gone by: a tool of its server that it reads with, or undoes with, is withheld."""
    for name in sorted(pack.rests_on):
        if why := await withheld(Target(server, "tool", name)):
            return f"{name} of {server} is withheld: {why}"
    return None
