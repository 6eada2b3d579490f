"""What a server says of itself: its instructions and the prose of its server info, pinned like any descriptor.

Both are free text that a host puts before a model. Name and version alone are served as they are, if
they are short and can be seen. Pure; it knows no server and no file.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.catalogue.canonical import canonical, digest_of
from gateway.catalogue.items import MAX_DESCRIPTOR, Item
from gateway.catalogue.text import unseen
from gateway.core.model import Entry, ItsSelf, JsonObject, Target

NAME: Final = "server"
MAX_LABEL: Final = 128
_LABELS: Final = ("name", "version")


def target(server: str) -> Target:
    """What an operator approves of a server beside its lists: `about:server`."""
    return Target(server, "about", NAME)


def item(said: JsonObject | None) -> Item | None:
    """The words in `ToolServer.describe()`, ready to be compared with a pin; None when there are none."""
    words = _words(said or {})
    if not words:
        return None
    try:
        data = canonical(words)
    except ValueError as error:
        return Item(NAME, words, "", 0, str(error))
    fault = f"larger than {MAX_DESCRIPTOR} bytes" if len(data) > MAX_DESCRIPTOR else None
    return Item(NAME, words, digest_of(data), len(data), fault)


def served(said: JsonObject, approved: Entry | None) -> ItsSelf:
    """What agents may hear of it: labels and capabilities as they are, words as they were approved."""
    words: JsonObject = approved.descriptor if approved else {}
    info = {**_labels(said.get("server_info")), **words.get("serverInfo", {})}
    return ItsSelf(
        info if _LABELS[0] in info else None,
        _capabilities(said.get("capabilities")),
        words.get("instructions"),
    )


def _words(said: JsonObject) -> JsonObject:
    words: JsonObject = {}
    info, instructions = said.get("server_info"), said.get("instructions")
    if isinstance(instructions, str):
        words["instructions"] = instructions
    prose = {n: v for n, v in info.items() if n not in _LABELS} if isinstance(info, dict) else {}
    if prose:
        words["serverInfo"] = prose
    return words


def _capabilities(said: Any) -> JsonObject:
    """As they are, but `tasks/list` (2025-11-25): it is not served, as a server that all share tells of all tasks."""
    capabilities: JsonObject = said if isinstance(said, dict) else {}
    tasks = capabilities.get("tasks")
    if not isinstance(tasks, dict):
        return capabilities
    return {**capabilities, "tasks": {name: tasks[name] for name in tasks if name != "list"}}


def _labels(info: Any) -> JsonObject:
    labels = {name: info.get(name) for name in _LABELS} if isinstance(info, dict) else {}
    return {
        name: label
        for name, label in labels.items()
        if isinstance(label, str) and len(label) <= MAX_LABEL and not unseen(label)
    }
