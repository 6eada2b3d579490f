"""The undo packs of one policy directory, and the questions the Line and the planner ask.

The order of one call: `find` -> `early_keys` (lease them) -> `reads` (make them) -> `keys` -> `choose`
-> `Case.steps` -> the call -> `reads` again (post-image) -> `failed`, `no_effect` -> `Case.steps` again
if they raised `NeedsResult`. Undo: `reads` again -> `same` (guard) -> steps -> `reads` -> `same`.

Everything here is pure but `load`. An exception named in a docstring means "this cannot be known":
the asker closes (level none, in doubt, conflict), never goes on as if nothing had been said. How a pack is
read is packfile.py's, which is loaded where there are packs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.core.model import Target
from gateway.core.reverse import Reversal
from gateway.errors import Misconfigured
from gateway.files.listing import named
from gateway.settings import ServerSettings
from gateway.undo.level import unknown
from gateway.undo.scope import Pinned
from gateway.values import Value, field, replace

if TYPE_CHECKING:
    from gateway.undo.certificate import Proven
    from gateway.undo.packfile import Pack
    from gateway.undo.toolpack import ToolPack

DIRECTORY: Final = "undo"


class Packs(Value):
    """All packs of one policy directory, checked. Immutable."""

    by_server: Mapping[str, Pack] = field(default_factory=dict)
    certified: Mapping[str, Mapping[str, Proven]] = field(default_factory=dict)
    """`<server>@sha256:<hex>` of the packs with a certificate that holds -> for which server versions, and what it
    proves of each."""

    def find(self, target: Target, server_version: str | None) -> ToolPack | Reversal:
        """The pack for this tool, or UNKNOWN with the reason (no pack, other version, other descriptor).

        `server_version`: `serverInfo.version` as the server says it now."""
        pack = self.by_server.get(target.server)
        if pack is None:
            return unknown(f"no undo pack for {target.server}")
        tool = pack.tools.get(target.name) if target.kind == "tool" else None
        if tool is None:
            return unknown(f"{pack.file} says nothing of {target.policy_name}")
        if not pack.fits(server_version):
            said = server_version or "no version"
            return unknown(f"{pack.file} is for {pack.versions}; {target.server} says {said}")
        if isinstance(tool, Reversal):
            return tool
        proven = self.certified.get(tool.pack, {}).get(server_version or "")
        if proven is None:
            return replace(tool, certified=False)
        return replace(tool, certified=True, may_precede=proven.get(target.name, frozenset()))


def load(
    policy_dir: Path,
    servers: Mapping[str, ServerSettings],
    pins: Mapping[Target, Pinned],
    redacted: Mapping[Target, Collection[str]] | None = None,
) -> Packs:
    """Every pack file. Raises `Misconfigured` at file:line.

    `pins`: `Pins.by_target`. `redacted`: JSON pointers into a tool's arguments of which the journal keeps
    no value; a pack that refers to one is refused. No directory: no packs. A pack for a server that is
    not in bulkhead.yaml is checked as far as it can be and not used."""
    directory = policy_dir / DIRECTORY
    _refuse_values_of_none(directory, servers)
    if not directory.exists():
        return Packs()
    from gateway.undo import certificate, packfile

    packs = {
        path.stem: packfile.read(path, servers, pins, redacted or {})
        for path in sorted(named(directory, ".yaml"))
    }
    held = certificate.holding(directory, {name: pack.digest for name, pack in packs.items()})
    return Packs({name: pack for name, pack in packs.items() if name in servers}, held)


def _refuse_values_of_none(directory: Path, servers: Mapping[str, ServerSettings]) -> None:
    """Who gives a pack values believes that there is one."""
    for name, server in servers.items():
        path = directory / f"{name}.yaml"
        if server.undo and not path.exists():
            raise Misconfigured(f"servers.{name}.undo: there is no pack {path}", server.where)
