"""What one caller can see of the catalogue: the policy's words, now.

It makes no list and forwards nothing; it knows the ports and no wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway.core.decide import question, served_tiers
from gateway.core.model import Entry, Request, Resolved
from gateway.core.resolve import ListKind, Table
from gateway.errors import Refused
from gateway.line.bounds import Bounds
from gateway.ports import PolicyView
from gateway.values import replace

KINDS: Final[Mapping[str, tuple[ListKind, ...]]] = {
    "tools": ("tool",),
    "prompts": ("prompt",),
    "resources": ("resource", "template"),
}
"""What a list change is told of, and which lists that may be."""


def visible(policy: PolicyView, bounds: Bounds, request: Request) -> Callable[[Entry], bool]:
    """A list shows an entry if and only if some call of it would be allowed, here and now."""
    tiers = served_tiers(request.endpoint, request.identity)
    towards = bounds.towards(request.identity)

    def shown(entry: Entry) -> bool:
        try:
            classes = policy.possible(Resolved(request, entry.target, entry, {}), towards)
        except Refused:
            return False
        return any(
            one.tier in tiers
            and policy.decide(replace(question(one), arguments=None)).permitted
            and bounds.shows(one)
            for one in classes
        )

    return shown


def view(policy: PolicyView, bounds: Bounds, table: Table, request: Request, kind: str) -> int:
    """A number that is another one when this caller's list of one of `KINDS` is."""
    try:
        shelf = table.shelf(request.endpoint)
    except Refused:
        return 0
    shown = visible(policy, bounds, request)
    entries = (entry for each in KINDS[kind] for entry in shelf.listed(each) if shown(entry))
    return hash(tuple((entry.target, entry.public_name, entry.digest) for entry in entries))
