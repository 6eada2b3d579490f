"""What of a call its grants do not give, in words: of its kind, which comes again, and of its arguments."""

from __future__ import annotations

from typing import Final

from gateway.core.cover import Cover
from gateway.core.grant import Chain, Grant, bounds_of, outside
from gateway.core.model import Classified, JsonObject, Resolved, Target, Tier
from gateway.core.validate import ArgumentCheck, compile_bound
from gateway.made import Made

MOST: Final = 8_192
"""Kinds of calls of which it is kept what their grants say, and bounds. Past it all are forgotten."""


class Outside:
    """Neither a grant's terms nor those above it ever change, so what was said once is said again."""

    def __init__(self) -> None:
        self._check: Made[JsonObject, ArgumentCheck] = Made(compile_bound, MOST)
        self._told: dict[tuple[str, Tier, Target, str], str] = {}

    def call(self, cover: Cover, classified: Classified) -> str:
        """The first thing of a call that some grant of its chain does not give; empty when all give all of it. Whoever
        asks limits what it may take (`core.bounded`)."""
        why = self.kind(cover, classified)
        return self._bounds(cover, classified.resolved) if cover.bounded and not why else why

    def kind(self, cover: Cover, classified: Classified) -> str:
        """The same of everything but its arguments."""
        resolved, own = classified.resolved, cover.chain[0]
        if own.intent != resolved.request.identity.intent:
            return f"grant {own.id}: intent {resolved.request.identity.intent}"
        if cover.is_strict and classified.flow is None:
            return f"grant {own.id}: strict_flow, and tiers.yaml says no flow any more"
        key = (own.id, classified.tier, resolved.target, classified.destination)
        why = self._told.get(key)
        if why is None:
            if len(self._told) >= MOST:
                self._told.clear()
            why = self._told[key] = _not_given(cover.chain, classified)
        return why

    def forget(self, grant: Grant) -> None:
        """It is over: its bounds, which an agent may have written when it handed it on, are kept no longer."""
        for bound in (*grant.terms.bounds.values(), *grant.terms.within.values()):
            self._check.forget(bound)

    def _bounds(self, cover: Cover, resolved: Resolved) -> str:
        for one in cover.bounded:
            for _, bound in bounds_of(one.terms, resolved.target):
                if problem := self._check.of(bound).check(resolved.arguments):
                    return f"grant {one.id}: {problem}"
        return ""


def _not_given(chain: Chain, classified: Classified) -> str:
    told = ((grant.id, outside(grant.terms, classified)) for grant in chain)
    return next((f"grant {name}: {why}" for name, why in told if why), "")
