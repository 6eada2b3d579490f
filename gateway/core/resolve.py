"""Step 4: a public name becomes a target, by the catalogue's table. Never by splitting a string.

Pure: it looks names up in a `Table` somebody else built (catalogue/) and knows no server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from gateway.core.model import Endpoint, Entry, JsonObject, Kind, Request, Resolved, Target
from gateway.errors import Refused
from gateway.reasons import Reason

ListKind = Literal["tool", "prompt", "resource", "template"]

NAMED: Final[Mapping[str, tuple[ListKind, str]]] = {
    "tools/call": ("tool", "name"),
    "prompts/get": ("prompt", "name"),
    "resources/read": ("resource", "uri"),
    "resources/subscribe": ("resource", "uri"),
    "resources/unsubscribe": ("resource", "uri"),
}
"""Methods that name one catalogue entry, and the params member that holds the name."""


@dataclass(frozen=True, slots=True)
class Template:
    """A resource template with its matcher (RFC 6570, compiled by whoever built the table)."""

    entry: Entry
    matches: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The entries of one scope, by the name an agent uses in that scope."""

    tools: Mapping[str, Entry] = field(default_factory=dict)
    prompts: Mapping[str, Entry] = field(default_factory=dict)
    resources: Mapping[str, Entry] = field(default_factory=dict)
    """By exact URI: opaque bytes, no normalisation."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """By public URI template, in list order."""


@dataclass(frozen=True, slots=True)
class Table:
    """One version of the catalogue: the aggregate shelf, and one shelf per server with native names."""

    version: str
    aggregate: Shelf
    servers: Mapping[str, Shelf]
    quarantined: Mapping[Target, str] = field(default_factory=dict)
    """Targets that exist but are not approved, and why: for the operator's journal, never for the agent."""

    def shelf(self, endpoint: Endpoint) -> Shelf:
        """The names valid at this endpoint. Raises `Refused` for a server that is not in the table."""
        if endpoint.kind != "server":
            return self.aggregate
        shelf = self.servers.get(endpoint.server or "")
        if shelf is None:
            raise Refused(Reason.UNKNOWN_TARGET, f"no server {endpoint.server!r}")
        return shelf


def resolve(table: Table, request: Request) -> Resolved:
    """The target of a request and the params its server must get.

    Raises `Refused`: unknown_target, quarantined (both heard as not_available), malformed.
    """
    shelf = table.shelf(request.endpoint)
    if request.method in NAMED:
        kind, member = NAMED[request.method]
        name = request.params.get(member)
        return _named(table, shelf, request, kind, member, name)
    if request.method == "completion/complete":
        return _completion(table, shelf, request)
    if request.endpoint.kind == "server" and request.endpoint.server:
        # Vendor methods and whatever the protocol grows: transparent endpoint only, decided as `method:<name>`.
        return Resolved(
            request, Target(request.endpoint.server, "method", request.method), None, request.params
        )
    raise Refused(Reason.UNKNOWN_TARGET, f"method {request.method!r} is not served here")


def _named(
    table: Table, shelf: Shelf, request: Request, kind: ListKind, member: str, name: object
) -> Resolved:
    if not isinstance(name, str) or not name:
        raise Refused(Reason.MALFORMED, f"params.{member} must be a non-empty string")
    entry = _find(shelf, kind, name)
    if entry is None:
        raise _missing(table, request, kind, name)
    native = name if kind == "resource" and entry.target.kind == "template" else entry.target.name
    target = (
        entry.target
        if native == entry.target.name
        else Target(entry.target.server, "resource", native)
    )
    return Resolved(request, target, entry, {**request.params, member: native})


def _find(shelf: Shelf, kind: ListKind, name: str) -> Entry | None:
    match kind:
        case "tool":
            return shelf.tools.get(name)
        case "prompt":
            return shelf.prompts.get(name)
        case "template":
            template = shelf.templates.get(name)
            return template.entry if template else None
        case "resource":
            found = shelf.resources.get(name)
            if found is not None:
                return found
            return next((t.entry for t in shelf.templates.values() if t.matches(name)), None)


def _missing(table: Table, request: Request, kind: Kind, name: str) -> Refused:
    """Unknown or quarantined: the journal tells them apart, the agent cannot."""
    server = request.endpoint.server or ""
    why = (
        table.quarantined.get(Target(server, kind, name))
        if server
        else _quarantined_public(table, kind, name)
    )
    if why is not None:
        return Refused(Reason.QUARANTINED, why)
    return Refused(Reason.UNKNOWN_TARGET, f"no {kind} {name!r}")


def _quarantined_public(table: Table, kind: Kind, name: str) -> str | None:
    for target, why in table.quarantined.items():
        if target.kind == kind and name in (f"{target.server}__{target.name}", target.name):
            return why
    return None


def _completion(table: Table, shelf: Shelf, request: Request) -> Resolved:
    """Completion reveals what its prompt or template would: decided as that."""
    ref = request.params.get("ref")
    if not isinstance(ref, dict):
        raise Refused(Reason.MALFORMED, "params.ref must be an object")
    kind: ListKind = "prompt" if ref.get("type") == "ref/prompt" else "template"
    member = "name" if kind == "prompt" else "uri"
    name = ref.get(member)
    if not isinstance(name, str):
        raise Refused(Reason.MALFORMED, f"params.ref.{member} must be a string")
    entry = _find(shelf, kind, name) or (
        _find(shelf, "resource", name) if kind == "template" else None
    )
    if entry is None:
        raise _missing(table, request, kind, name)
    params: JsonObject = {**request.params, "ref": {**ref, member: entry.target.name}}
    return replace(Resolved(request, entry.target, entry, params))
