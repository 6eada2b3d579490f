"""Undo packs: `<policies>/undo/<server>.yaml`, read strictly, and the questions the Line and the planner ask.

The order of one call: `find` -> `early_keys` (lease them) -> `reads` (make them) -> `keys` -> `choose`
-> `Case.steps` -> the call -> `reads` again (post-image) -> `failed`, `no_effect` -> `Case.steps` again
if they raised `NeedsResult`. Undo: `reads` again -> `same` (guard) -> steps -> `reads` -> `verify`.

Everything here is pure but `load`. An exception named in a docstring means "this cannot be known":
the asker closes (level none, in doubt, conflict), never goes on as if nothing had been said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from gateway import yamlfile
from gateway.core.model import Target
from gateway.core.reverse import Level, Reversal
from gateway.errors import Misconfigured, Where
from gateway.settings import SERVER_ID, ServerSettings
from gateway.undo import certificate, fragment
from gateway.undo.compiled import CompiledCapture, CompiledTool
from gateway.undo.compiling import ToolCompiler, compile_reads
from gateway.undo.functions import compiled
from gateway.undo.pack_model import PackFile
from gateway.undo.scope import Pinned
from gateway.undo.setting import Setting
from gateway.undo.toolpack import Case, ToolPack
from gateway.values import Value, field, replace

__all__ = ["Case", "Packs", "ToolPack", "load"]

DIRECTORY: Final = "undo"


class Pack(Value):
    """One file: its tools, each usable or not and why."""

    file: str
    digest: str
    """`sha256:<hex>` of the file's bytes."""
    name: str
    """`serverInfo.name` it was written for."""
    versions: SpecifierSet
    tools: Mapping[str, ToolPack | Reversal]

    def fits(self, version: str | None) -> bool:
        """Was it written for a server that calls itself that? One that says nothing fits none."""
        try:
            return version is not None and self.versions.contains(
                Version(version), prereleases=True
            )
        except InvalidVersion:
            return False


class Packs(Value):
    """All packs of one policy directory, checked. Immutable."""

    by_server: Mapping[str, Pack] = field(default_factory=dict)
    certified: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """`<server>@sha256:<hex>` of the packs with a certificate that holds -> for which server versions."""

    def find(self, target: Target, server_version: str | None) -> ToolPack | Reversal:
        """The pack for this tool, or UNKNOWN with the reason (no pack, other version, other descriptor).

        `server_version`: `serverInfo.version` as the server says it now."""
        pack = self.by_server.get(target.server)
        if pack is None:
            return _unknown(f"no undo pack for {target.server}")
        tool = pack.tools.get(target.name) if target.kind == "tool" else None
        if tool is None:
            return _unknown(f"{pack.file} says nothing of {target.policy_name}")
        if not pack.fits(server_version):
            said = server_version or "no version"
            return _unknown(f"{pack.file} is for {pack.versions}; {target.server} says {said}")
        if isinstance(tool, Reversal):
            return tool
        return replace(tool, certified=server_version in self.certified.get(tool.pack, ()))

    def level_cap(self, pack: ToolPack) -> Level:
        """The highest level this pack may claim: `compensable` unless it is certified as it stands, at
        the very version the server says it has."""
        return Level.NOOP if pack.certified else Level.COMPENSABLE


def _unknown(why: str) -> Reversal:
    return Reversal(Level.UNKNOWN, why=why)


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
    packs = {
        path.stem: _pack(path, servers, pins, redacted or {})
        for path in sorted(directory.glob("*.yaml"))
    }
    held = certificate.holding(directory, {name: pack.digest for name, pack in packs.items()})
    return Packs({name: pack for name, pack in packs.items() if name in servers}, held)


def _pack(
    path: Path,
    servers: Mapping[str, ServerSettings],
    pins: Mapping[Target, Pinned],
    redacted: Mapping[Target, Collection[str]],
) -> Pack:
    tree = yamlfile.read(path)
    server = path.stem
    if not SERVER_ID.fullmatch(server):
        raise Misconfigured(f"{server!r} is no server id", Where(str(path), 1))
    file = fragment.written_out(yamlfile.validate(tree, PackFile, str(path)), server)
    settings = servers.get(server)
    if settings is not None and settings.companion_of is not None:
        raise Misconfigured(
            f"{server} is the companion of {settings.companion_of}: what undoes is not undone",
            Where(str(path), 1),
        )
    companion = next((n for n, each in servers.items() if each.companion_of == server), None)
    params = dict(settings.undo) if settings is not None else {}
    setting = Setting(str(path), tree, file, server, companion, params, pins, redacted)
    _check_params(setting)
    reads = compile_reads(setting)
    digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    tools = {
        name: _usable(setting, ToolCompiler(setting, name, reads).compiled(), f"{server}@{digest}")
        for name in file.tools
    }
    versions = SpecifierSet(file.server.versions)
    return Pack(str(path), digest, file.server.name, versions, tools)


def _check_params(setting: Setting) -> None:
    """Values are the operator's; which there are is the pack's."""
    for name in setting.params.keys() - setting.pack.params.keys():
        raise setting.wrong(
            f"servers.{setting.server}.undo gives {name!r}, which is none of them", "params"
        )
    for name, param in setting.pack.params.items():
        _check_param(setting, name, param.pattern)


def _check_param(setting: Setting, name: str, pattern: str | None) -> None:
    if pattern is None:
        return
    try:
        program = compiled(pattern)
    except ValueError as error:
        raise setting.wrong(str(error), "params", name, "pattern") from None
    value = setting.params.get(name)
    if value is not None and program.fullmatch(value) is None:
        raise setting.wrong(
            f"{value!r} in bulkhead.yaml, servers.{setting.server}.undo, does not match",
            "params",
            name,
        )


def _usable(setting: Setting, tool: CompiledTool, pack: str) -> ToolPack | Reversal:
    """The tool's pack, or why it cannot be used as things stand."""
    for name in sorted(setting.pack.params.keys() - setting.params.keys()):
        return _unknown(
            f"{setting.file} needs {name}: servers.{setting.server}.undo in bulkhead.yaml"
        )
    for name in sorted(_tools_of(tool)):
        if setting.pinned(name) is None:
            return _unknown(f"{name} of {setting.server} is not approved")
        if setting.fitting(name) is None:
            return _unknown(f"{name} is not the {name} that {setting.file} was written for")
    if setting.companion is None and any(not each.read.server for each in _captures(tool)):
        return Reversal(
            Level.NONE, why=f"{setting.file} needs a companion, and {setting.server} has none"
        )
    return ToolPack(tool, pack, setting.file)


def _tools_of(tool: CompiledTool) -> set[str]:
    """The tools of the server itself that this entry rests on."""
    steps = [step for case in tool.cases for step in case.steps]
    used = {step.tool for step in steps if step.server == tool.server}
    used |= {each.read.tool for each in _captures(tool) if each.read.server == tool.server}
    return used | {tool.name}


def _captures(tool: CompiledTool) -> list[CompiledCapture]:
    late = tool.changes
    return [*tool.captures.values(), *([] if late is None else [late.found, late.now])]
