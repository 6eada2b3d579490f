"""The plain call, which most are: it rests on no earlier one, and is forwarded as soon as it is decided and recorded.

What the Line has no need to do for it, it does not do. It knows no port and decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from gateway.core.decide import Decided
from gateway.core.model import Effect, Request
from gateway.core.tasks import is_about_a_task
from gateway.links import may_follow


def names_earlier(request: Request) -> bool:
    """Does it name what an agent learned by an earlier call: a task, a resource it was told of?"""
    return is_about_a_task(request) or may_follow(request)


def is_plain(decided: Decided, unseen: Collection[str]) -> bool:
    """A read with no duty on it: nothing to capture, to ask a person, to wait for. `unseen`: servers that have
    to be looked at first."""
    classified = decided.classified
    if classified.effect is not Effect.READ or decided.decision.obligations:
        return False
    resolved = classified.resolved
    return resolved.target.server not in unseen and not is_about_a_task(resolved.request)
