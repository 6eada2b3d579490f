"""Step 4: a public name becomes a target, by the catalogue's table. Never by splitting a string.

Pure: it looks names up in a `Table` somebody else built (catalogue/) and knows no server.

Laws:
1. A name claimed twice is nobody's. A URI its server has withheld (not approved, changed) is not reached
   through that server's templates either: quarantine has no way round.
2. A URI that templates of more than one server match belongs to none of them on the aggregate.
3. Looking a name up costs about the same whether it is known, withheld or neither.
4. Params have one reading for every server (lookalikes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from gateway.core.lookalikes import refuse_look_alikes
from gateway.core.model import (
    Endpoint,
    Entry,
    ItsSelf,
    JsonObject,
    Request,
    Resolved,
    RpcError,
    Target,
)
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import Value, field

ListKind = Literal["tool", "prompt", "resource", "template"]


class ListShape(NamedTuple):
    """How one kind is listed: the method, the result member with the items, the item's own name."""

    method: str
    items: str
    member: str


KINDS: Final[Mapping[ListKind, ListShape]] = {
    "tool": ListShape("tools/list", "tools", "name"),
    "prompt": ListShape("prompts/list", "prompts", "name"),
    "resource": ListShape("resources/list", "resources", "uri"),
    "template": ListShape("resources/templates/list", "resourceTemplates", "uriTemplate"),
}

NAMED: Final[Mapping[str, tuple[ListKind, str]]] = {
    "tools/call": ("tool", "name"),
    "prompts/get": ("prompt", "name"),
    "resources/read": ("resource", "uri"),
    "resources/subscribe": ("resource", "uri"),
    "resources/unsubscribe": ("resource", "uri"),
}
"""Methods that name one catalogue entry, and the params member that holds the name."""


class Template(Value):
    """A resource template with its matcher (RFC 6570, compiled by whoever built the table)."""

    entry: Entry
    matches: Callable[[str], bool]
    """By the name it has in this scope."""
    native: Callable[[str], str] = str
    """The server's own URI for one of this scope."""


class Shelf(Value):
    """The entries of one scope, by the name an agent uses in that scope."""

    tools: Mapping[str, Entry] = field(default_factory=dict)
    prompts: Mapping[str, Entry] = field(default_factory=dict)
    resources: Mapping[str, Entry] = field(default_factory=dict)
    """By exact URI: opaque bytes, no normalisation."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """By public URI template, in list order."""
    withheld: Mapping[tuple[ListKind, str], str] = field(default_factory=dict)
    """Names that exist in this scope and are not approved, and why: for the operator only."""
    disputed: Mapping[tuple[ListKind, str], str] = field(default_factory=dict)
    """Names more than one target claims in this scope: nobody has them, no template either."""
    unlisted_of: str | None = None
    """The server whose unlisted resources may be asked for here, decided as `resource:<uri>`."""

    def listed(self, kind: ListKind) -> list[Entry]:
        """All of one kind, in list order."""
        if kind == "template":
            return [template.entry for template in self.templates.values()]
        by_kind = {"tool": self.tools, "prompt": self.prompts, "resource": self.resources}
        return list(by_kind[kind].values())


class Page(Value):
    """One page of a server's list as the server cut it."""

    cursor: str | None
    """The cursor it is reached by; None for the first. The empty string is a cursor."""
    raw: JsonObject
    """The server's result, every list-level field; the items' own place is empty."""
    entries: tuple[Entry | None, ...]
    """One for each item; None where the item is not approved."""


class Listing(Value):
    """One list of one server: its pages, or the server's own error when it has no such list."""

    pages: tuple[Page, ...]
    absent: RpcError | None


class Table(Value):
    """One version of the catalogue: the aggregate shelf, and one shelf per server with native names."""

    version: str
    aggregate: Shelf
    servers: Mapping[str, Shelf]
    quarantined: Mapping[Target, str] = field(default_factory=dict)
    """Targets that exist but are not approved, and why: for the operator's journal, never for the agent."""
    listings: Mapping[tuple[str, ListKind], Listing] = field(default_factory=dict)
    """The servers' own pages, for the transparent endpoints. Absent: that list was never read."""
    about: Mapping[str, ItsSelf] = field(default_factory=dict)
    """What each server says of itself. Absent: it was never reached."""

    def shelf(self, endpoint: Endpoint) -> Shelf:
        """The names valid at this endpoint. Raises `Refused` for a server that is not in the table."""
        if endpoint.kind != "server":
            return self.aggregate
        shelf = self.servers.get(endpoint.server or "")
        if shelf is None:
            raise Refused(Reason.UNKNOWN_TARGET, f"no server {endpoint.server!r}")
        return shelf


MAX_NAME: Final = 8_192
"""Characters of what is asked for: nothing that is listed has a longer name (catalogue/items.py)."""


def resolve(table: Table, request: Request) -> Resolved:
    """The target of a request and the params its server must get.

    Raises `Refused`: unknown_target, quarantined (both heard as not_available), malformed.
    """
    shelf = table.shelf(request.endpoint)
    refuse_look_alikes(request)
    if request.method in NAMED:
        kind, member = NAMED[request.method]
        return _named(table, shelf, request, kind, member)
    if request.method == "completion/complete":
        return _completion(table, shelf, request)
    if len(request.method) > MAX_NAME:
        raise Refused(Reason.UNKNOWN_TARGET, f"a method of {len(request.method)} characters")
    if request.endpoint.kind == "server" and request.endpoint.server and not _is_kept(request):
        # Vendor methods and whatever the protocol grows: transparent endpoint only, decided as `method:<name>`.
        return Resolved(
            request, Target(request.endpoint.server, "method", request.method), None, request.params
        )
    raise Refused(Reason.UNKNOWN_TARGET, f"method {request.method!r} is not served here")


def _is_kept(request: Request) -> bool:
    """Whether a method is nobody's to forward as it is, whatever policy says of it.

    A notification that asks for an answer: `notifications/cancelled` could end another agent's call. And
    what core/tasks.py did not take, such as `tasks/list`: a server that all share tells of all tasks.
    """
    return request.method.casefold().startswith(("notifications/", "tasks/"))


def _named(table: Table, shelf: Shelf, request: Request, kind: ListKind, member: str) -> Resolved:
    name = request.params.get(member)
    if not isinstance(name, str) or not name:
        raise Refused(Reason.MALFORMED, f"params.{member} must be a non-empty string")
    if len(name) > MAX_NAME:
        raise Refused(Reason.UNKNOWN_TARGET, f"a {kind} whose name has {len(name)} characters")
    entry = _find(table, shelf, request.endpoint, kind, name)
    if entry is None:
        assert shelf.unlisted_of is not None
        return Resolved(
            request, Target(shelf.unlisted_of, "resource", name), None, dict(request.params)
        )
    # A resource that a template stands for is decided, recorded and read by its own URI.
    target = entry.target
    if target.kind != kind:
        target = Target(target.server, kind, _native(shelf, entry, name))
    return Resolved(request, target, entry, {**request.params, member: target.name})


def _completion(table: Table, shelf: Shelf, request: Request) -> Resolved:
    """Completion reveals what its prompt or template would: decided as that."""
    ref = request.params.get("ref")
    if not isinstance(ref, dict):
        raise Refused(Reason.MALFORMED, "params.ref must be an object")
    kind: ListKind
    match ref.get("type"):
        case "ref/prompt":
            kind, member = "prompt", "name"
        case "ref/resource":
            kind, member = "template", "uri"
        case _:
            raise Refused(Reason.MALFORMED, "params.ref.type must be ref/prompt or ref/resource")
    name = ref.get(member)
    if not isinstance(name, str) or not name:
        raise Refused(Reason.MALFORMED, f"params.ref.{member} must be a non-empty string")
    exact = kind == "prompt" or name in shelf.templates or (kind, name) in shelf.withheld
    # A `ref/resource` may also name a URI that stands for its template.
    entry = _find(table, shelf, request.endpoint, kind if exact else "resource", name)
    if entry is None:
        raise Refused(Reason.UNKNOWN_TARGET, f"no {kind} {name!r}")
    native = entry.target.name if exact else _native(shelf, entry, name)
    params: JsonObject = {**request.params, "ref": {**ref, member: native}}
    return Resolved(request, entry.target, entry, params)


def _native(shelf: Shelf, entry: Entry, uri: str) -> str:
    """The server's own form of a URI that leads to this entry."""
    template = shelf.templates.get(entry.public_name)
    if entry.target.kind != "template" or template is None:
        return entry.target.name
    return template.native(uri)


def _find(
    table: Table, shelf: Shelf, endpoint: Endpoint, kind: ListKind, name: str
) -> Entry | None:
    """The entry of this name; None for an unlisted resource that may be asked for. Raises `Refused`."""
    why = shelf.disputed.get((kind, name))
    found = None if why else _lookup(shelf, kind, name)
    if found is None:
        why = why or shelf.withheld.get((kind, name))
        if why is None and endpoint.server:
            why = table.quarantined.get(Target(endpoint.server, kind, name))
    elif found.target.kind != kind:
        own = _native(shelf, found, name)
        why = table.quarantined.get(Target(found.target.server, kind, own))
    if why is not None:
        raise Refused(Reason.QUARANTINED, why)
    if found is None and not (kind == "resource" and shelf.unlisted_of):
        raise Refused(Reason.UNKNOWN_TARGET, f"no {kind} {name!r}")
    return found


def _lookup(shelf: Shelf, kind: ListKind, name: str) -> Entry | None:
    match kind:
        case "tool":
            return shelf.tools.get(name)
        case "prompt":
            return shelf.prompts.get(name)
        case "template":
            template = shelf.templates.get(name)
            return template.entry if template else None
        case "resource":
            return shelf.resources.get(name) or _by_template(shelf, name)


def _by_template(shelf: Shelf, uri: str) -> Entry | None:
    matching = [t.entry for t in shelf.templates.values() if t.matches(uri)]
    if len({entry.target.server for entry in matching}) > 1:
        raise Refused(Reason.UNKNOWN_TARGET, f"templates of several servers match {uri!r}")
    return matching[0] if matching else None
