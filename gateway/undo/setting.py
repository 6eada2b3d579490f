"""A pack's file in its surroundings: whose lines faults are told at, and what is known of the servers.

It knows the file, the approved descriptors and which companion there is; not what any of it means.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from ruamel.yaml.comments import CommentedMap

from gateway.config.yamlfile import line_of
from gateway.core.dialect import SchemaFault
from gateway.core.model import JsonObject, Target
from gateway.errors import Misconfigured, Where
from gateway.undo.grammar import TemplateFault
from gateway.undo.pack_model import PackFile
from gateway.undo.scope import Pinned
from gateway.undo.shapes import Wrong
from gateway.values import Value

T = TypeVar("T")
Step = str | int


class Setting(Value):
    """A pack's file and what it stands in: its server, that server's companion, the approved descriptors."""

    file: str
    tree: CommentedMap
    pack: PackFile
    server: str
    companion: str | None
    params: JsonObject
    pins: Mapping[Target, Pinned]
    redacted: Mapping[Target, Collection[str]]

    def where(self, *steps: Step) -> Where:
        if steps[:1] == ("tools",) and steps[1:2] and steps[1] in (self.tree.get("records") or {}):
            steps = ("records", steps[1])
        return Where(self.file, line_of(self.tree, steps))

    def wrong(self, message: str, *steps: Step) -> Misconfigured:
        place = ".".join(str(step) for step in steps)
        return Misconfigured(f"{place}: {message}", self.where(*steps))

    def at(self, steps: tuple[Step, ...], work: Callable[[], T]) -> T:
        """Do the work; a fault becomes `Misconfigured` at its line."""
        try:
            return work()
        except TemplateFault as fault:
            raise self.wrong(fault.message, *steps, *fault.path) from None
        except (Wrong, SchemaFault) as fault:
            raise self.wrong(str(fault), *steps) from None

    def pinned(self, tool: str, on: str = "server") -> Pinned | None:
        server = self.server if on == "server" else self.companion
        return self.pins.get(Target(server, "tool", tool)) if server else None

    def fitting(self, tool: str) -> Pinned | None:
        """The approved descriptor, if it is the one the pack was written for."""
        found = self.pinned(tool)
        return found if found and found.digest == self.pack.server.tools.get(tool) else None

    def descriptor(self, tool: str, on: str) -> JsonObject | None:
        found = self.fitting(tool) if on == "server" else self.pinned(tool, on)
        return dict(found.descriptor) if found else None

    def known(self, tool: str, on: str, *steps: Step) -> None:
        """Raises `Misconfigured` for a tool the server or its companion does not have."""
        if on == "server" and tool not in self.pack.server.tools:
            raise self.wrong(f"{tool!r} is not among server.tools", *steps)
        listed = {each.name for each in self.pins if each.server == self.companion}
        if on == "companion" and self.companion and listed and tool not in listed:
            raise self.wrong(f"{self.companion} has no tool {tool!r}", *steps)
