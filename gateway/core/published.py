"""URIs on the aggregates: a tool server's own become ones that lead back to it, in whatever an agent is told.

Only what would lead elsewhere is changed: `test://a/b` of the server `git` becomes `test://git~a/b` when
another server claims `test://a/b` too. URIs are opaque otherwise: not a byte is normalised. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.core.model import JsonObject
from gateway.core.resolve import MAX_NAME, Shelf

MARK: Final = "~"
"""Between a server's id and the rest: allowed in an authority and a path, and in no server id."""
MAX_LINKS: Final = 1_000
"""URIs looked at in one result: what more it names is told as it is, and so is one too long to be asked for."""
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://)?")


def prefixed(server: str, uri: str) -> str | None:
    """The URI, or URI template, with the server's id at the head of its authority (or of its path).

    None for one without a scheme in plain sight: nothing can be put after it.
    """
    scheme = _SCHEME.match(uri)
    return None if scheme is None else f"{scheme[0]}{server}{MARK}{uri[scheme.end() :]}"


def without_prefix(server: str, uri: str) -> str:
    """The server's own URI behind one that `prefixed` made."""
    scheme = _SCHEME.match(uri)
    mark = f"{server}{MARK}"
    if scheme is None or not uri.startswith(mark, scheme.end()):
        return uri
    return scheme[0] + uri[scheme.end() + len(mark) :]


@dataclass(slots=True)
class Publisher:
    """Tells the results of one server for agents on the aggregates. Made for one result."""

    shelf: Shelf
    """The aggregate shelf."""
    server: str
    taken: Callable[[str], bool] = lambda _: False
    """Whether this agent knows a URI as another server's already."""
    links: dict[str, str] = field(default_factory=dict)
    """Public URI -> the server's own, of every resource the result names."""

    def result(self, method: str, result: JsonObject) -> JsonObject:
        """A result of `method` as it is told. The very same object where nothing changes."""
        match method:
            case "tools/call":
                return self._each(self.with_page(result), "content", self._block)
            case "prompts/get":
                return self._each(result, "messages", self._message)
            case "resources/read":
                return self._each(result, "contents", self._named)
            case "tasks/get" | "tasks/result":
                inner = result.get("result")
                if isinstance(inner, dict):
                    told = self.result("tools/call", inner)
                    return result if told is inner else {**result, "result": told}
        return result

    def uri(self, uri: str) -> str:
        """What an agent must ask for to reach this server's `uri`."""
        if len(self.links) >= MAX_LINKS or len(uri) > MAX_NAME:
            return uri
        own = prefixed(self.server, uri)
        public = uri if own is None or not self._leads_elsewhere(uri, own) else own
        self.links[public] = uri
        return public

    def _leads_elsewhere(self, uri: str, own: str) -> bool:
        """Whether `uri` as it is would not lead to this server, and `own` is needed."""
        if ("resource", uri) in self.shelf.disputed or own in self.shelf.resources:
            return True
        listed = self.shelf.resources.get(uri)
        if listed is not None:
            return listed.target.server != self.server
        if servers := self._servers_by_template(uri):
            return servers != {self.server}
        return bool(self._servers_by_template(own)) or self.taken(uri)

    def _servers_by_template(self, uri: str) -> set[str]:
        return {t.entry.target.server for t in self.shelf.templates.values() if t.matches(uri)}

    def _each(
        self, result: JsonObject, member: str, tell: Callable[[JsonObject], JsonObject]
    ) -> JsonObject:
        items = result.get(member)
        if not isinstance(items, list):
            return result
        told = [tell(item) if isinstance(item, dict) else item for item in items]
        same = all(one is other for one, other in zip(told, items, strict=True))
        return result if same else {**result, member: told}

    def _message(self, message: JsonObject) -> JsonObject:
        content = message.get("content")
        if isinstance(content, list):
            return self._each(message, "content", self._block)
        if not isinstance(content, dict):
            return message
        told = self._block(content)
        return message if told is content else {**message, "content": told}

    def _block(self, block: JsonObject) -> JsonObject:
        if block.get("type") == "resource_link":
            return self._named(block)
        inner = block.get("resource")
        if block.get("type") != "resource" or not isinstance(inner, dict):
            return block
        told = self._named(inner)
        return block if told is inner else {**block, "resource": told}

    def _named(self, holder: JsonObject) -> JsonObject:
        return self._changed(holder, "uri")

    def with_page(self, holder: JsonObject) -> JsonObject:
        """A tool's descriptor, or a result of it: the page of its user interface is a resource too."""
        meta = holder.get("_meta")
        ui = meta.get("ui") if isinstance(meta, dict) else None
        if not isinstance(meta, dict) or not isinstance(ui, dict):
            return holder
        told = self._changed(ui, "resourceUri")
        return holder if told is ui else {**holder, "_meta": {**meta, "ui": told}}

    def _changed(self, holder: JsonObject, member: str) -> JsonObject:
        uri: Any = holder.get(member)
        if not isinstance(uri, str) or not uri:
            return holder
        public = self.uri(uri)
        return holder if public == uri else {**holder, member: public}
