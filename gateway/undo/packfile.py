"""One undo pack: `<policies>/undo/<server>.yaml`, read strictly. What it answers about a call is toolpack.py's."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from packaging.specifiers import SpecifierSet

from gateway.config import yamlfile
from gateway.core.linear import compiled
from gateway.core.model import Target
from gateway.core.reverse import Level, Reversal
from gateway.errors import Misconfigured, Where
from gateway.settings import SERVER_ID, ServerSettings
from gateway.undo import fragment
from gateway.undo.compiled import CompiledCapture, CompiledTool
from gateway.undo.compiling import ToolCompiler, compile_reads
from gateway.undo.level import unknown
from gateway.undo.pack_model import PackFile
from gateway.undo.scope import Pinned
from gateway.undo.setting import Setting
from gateway.undo.toolpack import ToolPack
from gateway.values import Value


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
        """Was it written for a server that calls itself that? One that is not up fits none."""
        return version is not None and self.versions.contains(version, prereleases=True)


def read(
    path: Path,
    servers: Mapping[str, ServerSettings],
    pins: Mapping[Target, Pinned],
    redacted: Mapping[Target, Collection[str]],
) -> Pack:
    """It, checked. Raises `Misconfigured` at file:line; what the others are is `packs.load`'s to say."""
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
        return unknown(
            f"{setting.file} needs {name}: servers.{setting.server}.undo in bulkhead.yaml"
        )
    rests_on = frozenset(_tools_of(tool))
    for name in sorted(rests_on):
        if setting.pinned(name) is None:
            return unknown(f"{name} of {setting.server} is not approved")
        if setting.fitting(name) is None:
            return unknown(f"{name} is not the {name} that {setting.file} was written for")
    if setting.companion is None and any(not each.read.server for each in _captures(tool)):
        return Reversal(
            Level.NONE, why=f"{setting.file} needs a companion, and {setting.server} has none"
        )
    return ToolPack(tool, pack, setting.file, rests_on)


def _tools_of(tool: CompiledTool) -> set[str]:
    """The tools of the server itself that this entry rests on."""
    steps = [step for case in tool.cases for step in case.steps]
    used = {step.tool for step in steps if step.server == tool.server}
    used |= {each.read.tool for each in _captures(tool) if each.read.server == tool.server}
    return used | {tool.name}


def _captures(tool: CompiledTool) -> list[CompiledCapture]:
    late = tool.changes
    return [*tool.captures.values(), *([] if late is None else [late.found, late.now])]
