"""Fetched lists and pins become one table: approved and unchanged descriptors, and nothing else.

Laws:
1. An agent sees the approved text. A descriptor that is new, changed, unfit or listed twice in two
   versions is withheld with a reason for the operator.
2. Tools, prompts, templates and what a server says of itself are always pinned; resources unless
   `pin_resources` is false.
3. A name two servers claim on the aggregate is nobody's there; each keeps it at its own endpoint. A URI
   or template two servers list is reached there with the server's id in it (core/published.py).
4. Order is the settings' order of servers, then each server's own.

Pure: it knows no server, no file, no clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from gateway.catalogue import itself
from gateway.catalogue.canonical import digest_of
from gateway.catalogue.fetch import Fetched, Lists
from gateway.catalogue.items import Item, matcher
from gateway.catalogue.names import name_all, public_name
from gateway.catalogue.pins import Pin, Pins
from gateway.core.model import Entry, ItsSelf, Target
from gateway.core.published import prefixed, without_prefix
from gateway.core.resolve import KINDS, Listing, ListKind, Page, Shelf, Table, Template
from gateway.settings import ServerSettings
from gateway.values import replace


@dataclass(slots=True)
class _Scope:
    """A shelf while it is being filled."""

    entries: dict[ListKind, dict[str, Entry]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    withheld: dict[tuple[ListKind, str], str] = field(default_factory=dict)
    disputed: dict[tuple[ListKind, str], str] = field(default_factory=dict)

    def shelf(self, unlisted_of: str | None = None) -> Shelf:
        return Shelf(
            self.entries["tool"],
            self.entries["prompt"],
            self.entries["resource"],
            {name: _template(entry) for name, entry in self.entries["template"].items()},
            self.withheld,
            self.disputed,
            unlisted_of,
        )


def merge(lists: Mapping[str, Lists], pins: Pins, servers: Mapping[str, ServerSettings]) -> Table:
    """The table for these servers. Servers without lists have an empty shelf: nothing is served unseen."""
    quarantined: dict[Target, str] = {}
    listings: dict[tuple[str, ListKind], Listing] = {}
    scopes: dict[str, _Scope] = {}
    about: dict[str, ItsSelf] = {}
    approved = pins.by_server()
    for server, settings in servers.items():
        read = lists.get(server, Lists())
        judged = judge(server, read, approved.get(server, {}), settings.pin_resources)
        quarantined.update({t: v for t, v in judged.items() if isinstance(v, str)})
        words = judged.pop(itself.target(server), None)
        if read.said is not None:
            about[server] = itself.served(read.said, words if isinstance(words, Entry) else None)
        scopes[server] = _own(judged)
        for kind, fetched in read.kinds.items():
            listings[server, kind] = _listing(server, kind, fetched, judged)
    shelves = {
        server: scope.shelf(None if servers[server].pin_resources else server)
        for server, scope in scopes.items()
    }
    aggregate = _aggregate(scopes, quarantined).shelf()
    version = _version(lists, aggregate, shelves, quarantined, about)
    return Table(version, aggregate, shelves, quarantined, listings, about)


def judge(
    server: str, read: Lists, pins: Mapping[Target, Pin], pin_resources: bool
) -> dict[Target, Entry | str]:
    """Each target of one server, listed or pinned: its entry, or why it is withheld. In list order."""
    judged: dict[Target, Entry | str] = {}
    first: dict[Target, Item] = {}
    for kind, fetched in read.kinds.items():
        for item in fetched.items:
            target = Target(server, kind, item.name)
            if target in first and first[target].digest != item.digest:
                judged[target] = "listed twice, in two versions"
            if not item.name or target in judged:
                continue
            first[target] = item
            judged[target] = _judge_one(target, item, pins.get(target), pin_resources)
    words = itself.item(read.said)
    if words is not None:
        target = itself.target(server)
        judged[target] = _judge_one(target, words, pins.get(target), pin_resources)
    for target in pins.keys() - judged.keys():
        judged[target] = _gone(target, read)
    return judged


def _judge_one(target: Target, item: Item, pin: Pin | None, pin_resources: bool) -> Entry | str:
    if item.fault is not None:
        return f"unfit: {item.fault}"
    if target.kind == "resource" and not pin_resources:
        return Entry(target, _public(target), item.raw, item.digest)
    if pin is None:
        return f"not approved (bulkhead servers inspect {target.server})"
    if pin.digest != item.digest:
        return f"changed since it was approved: {pin.digest[:15]} is now {item.digest[:15]}"
    return Entry(target, _public(target), pin.descriptor, pin.digest)


def _gone(target: Target, read: Lists) -> str:
    kind: Any = target.kind
    if kind in read.problems:
        return f"its list could not be read: {read.problems[kind]}"
    if kind == "about" and read.said is not None:
        return "approved, but it says nothing of itself now"
    if kind not in read.kinds:
        return f"{target.server}: its list was not read yet"
    return "approved, but no longer listed"


def _own(judged: Mapping[Target, Entry | str]) -> _Scope:
    """The shelf of one server, by native names."""
    scope = _Scope()
    for target, verdict in judged.items():
        if isinstance(verdict, str):
            scope.withheld[_kind(target), target.name] = verdict
        else:
            scope.entries[_kind(target)][target.name] = verdict
    return scope


def _aggregate(scopes: Mapping[str, _Scope], quarantined: Mapping[Target, str]) -> _Scope:
    """The shelf of all servers, by public names."""
    scope = _Scope()
    entries = _told_apart([e for one in scopes.values() for e in _entries(one)], scope.disputed)
    listed = [target for target in quarantined if target.kind != "about"]
    names = name_all([*(entry.target for entry in entries), *listed])
    for target, why in names.collisions.items():
        scope.disputed[_kind(target), _public(target)] = why
    for entry in entries:
        key = _kind(entry.target), entry.public_name
        if key in scope.disputed:
            continue
        other = scope.entries[key[0]].pop(entry.public_name, None)
        if other is None:
            scope.entries[key[0]][entry.public_name] = entry
        else:
            scope.disputed[key] = f"listed by {other.target.server} and {entry.target.server}"
    for target in listed:
        # What one server has in quarantine takes no name away from another.
        if _public(target) not in scope.entries[_kind(target)]:
            scope.withheld[_kind(target), _public(target)] = quarantined[target]
    return scope


def _told_apart(entries: Sequence[Entry], disputed: dict[tuple[ListKind, str], str]) -> list[Entry]:
    """URIs and templates that several servers list get their server's id; without it they are nobody's."""
    claims: dict[tuple[ListKind, str], list[str]] = defaultdict(list)
    for entry in entries:
        if entry.target.kind in ("resource", "template"):
            claims[_kind(entry.target), entry.target.name].append(entry.target.server)
    apart = []
    for entry in entries:
        key, public = (_kind(entry.target), entry.target.name), None
        if len(claims.get(key, ())) > 1:
            public = prefixed(entry.target.server, entry.target.name)
            there = (
                f"there with its server's id, as {public}" if public else "no id can be put in it"
            )
            disputed[key] = f"listed by {' and '.join(claims[key])}: {there}"
        apart.append(replace(entry, public_name=public) if public else entry)
    return apart


def _entries(scope: _Scope) -> Iterator[Entry]:
    for kind in KINDS:
        yield from scope.entries[kind].values()


def _kind(target: Target) -> ListKind:
    """Of what is on a list: what a server says of itself is on none."""
    return cast(ListKind, target.kind)


def _public(target: Target) -> str:
    if target.kind in ("tool", "prompt"):
        return public_name(target.server, target.name)
    return target.name


def _template(entry: Entry) -> Template:
    parsed = matcher(entry.target.name)

    def matches(uri: str) -> bool:
        return parsed is not None and parsed.match(uri) is not None

    if entry.public_name == entry.target.name:
        return Template(entry, matches)
    server = entry.target.server

    def matches_apart(uri: str) -> bool:
        own = without_prefix(server, uri)
        return own != uri and matches(own)

    return Template(entry, matches_apart, lambda uri: without_prefix(server, uri))


def _listing(
    server: str, kind: ListKind, fetched: Fetched, judged: Mapping[Target, Entry | str]
) -> Listing:
    def entry(item: Item) -> Entry | None:
        verdict = judged.get(Target(server, kind, item.name))
        return verdict if isinstance(verdict, Entry) and verdict.digest == item.digest else None

    pages = (
        Page(page.cursor, page.raw, tuple(entry(item) for item in page.items))
        for page in fetched.pages
    )
    return Listing(tuple(pages), fetched.absent)


def _version(
    lists: Mapping[str, Lists],
    aggregate: Shelf,
    shelves: Mapping[str, Shelf],
    quarantined: Mapping[Target, str],
    about: Mapping[str, ItsSelf],
) -> str:
    """Changes whenever something an agent or an operator can see does."""
    pages = [
        (server, kind, page.cursor, [item.digest for item in page.items])
        for server, read in lists.items()
        for kind, fetched in read.kinds.items()
        for page in fetched.pages
    ]
    served = [
        (server, entry.target.kind, name, entry.digest)
        for server, shelf in (("", aggregate), *shelves.items())
        for entries in (shelf.tools, shelf.prompts, shelf.resources)
        for name, entry in entries.items()
    ]
    kept = sorted((t.server, t.kind, t.name, why) for t, why in quarantined.items())
    # By their spelling in Python, which every string has: some that servers send have no UTF-8.
    return digest_of(repr([pages, served, kept, about]).encode())
