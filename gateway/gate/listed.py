"""Lists that were made before: the same caller gets the same answer while nothing it was made of has changed.

A list is of one version of the catalogue, one of the policy, and what bounds its caller now (fences, the
grants in force). Whoever asks is looked at anew for all of these; only the making is spared. Bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from gateway.core.model import Answer, Request
from gateway.core.resolve import Table
from gateway.gate.views import visible
from gateway.line.bounds import Bounds
from gateway.ports import Catalogue, Policies, PolicyView, Shelves
from gateway.values import Value, replace

MOST: Final = 64
"""Answers kept. The one asked for longest ago is forgotten first."""


class _Made(Value):
    """An answer, and what it was made of."""

    answer: Answer
    table: Table
    policy: PolicyView
    bounds: Hashable


class Lists:
    """Answers list requests of all callers."""

    def __init__(
        self, shelves: Shelves, catalogue: Catalogue, policies: Policies, bounds: Bounds
    ) -> None:
        self._shelves = shelves
        self._catalogue = catalogue
        self._policies = policies
        self._bounds = bounds
        self._made: OrderedDict[Hashable, _Made] = OrderedDict()

    def answer(self, request: Request) -> Answer:
        """The list as its caller may see it, here and now."""
        policy, table = self._policies.current, self._catalogue.current
        key, bounds = _key(request), self._bounds.standing(request.identity)
        made = self._made.get(key)
        if (
            made is None
            or made.table is not table
            or made.policy is not policy
            or made.bounds != bounds
        ):
            answer = self._shelves.list(request, visible(policy, self._bounds, request))
            if answer.result is None:
                return answer  # it tells of this very request
            made = _Made(replace(answer, lasting=True), table, policy, bounds)
            self._made[key] = made
            if len(self._made) > MOST:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return made.answer


def _key(request: Request) -> Hashable:
    """Who asks, and for what: all of a request that a list is made by."""
    identity, cursor = request.identity, request.params.get("cursor")
    return (
        request.endpoint,
        request.method,
        # A cursor may be anything an agent writes: true is not 1 here.
        repr(cursor) if "cursor" in request.params else None,
        identity.issuer,
        identity.agent,
        identity.tenant,
        identity.task,
        identity.intent,
        identity.tiers,
        identity.grant,
        # Cursors are for one agent and whom it acts for.
        identity.on_behalf_of,
    )
