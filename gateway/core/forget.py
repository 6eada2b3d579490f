"""Forgetting: the claim of a line that says what was forgotten. Pure.

The line and the loss are one commit. What is forgotten is payloads, by the lines they belong to; the
lines stay, with their commitments, so every proof of them still holds.
"""

from __future__ import annotations

from typing import Final

from gateway.core.record import Claim

METHOD: Final = "journal/forgotten"
VERDICT: Final = "forgotten"
EXPIRED: Final = "journal/expired"
"""Of the line that says whose time is over: of which class, and from before which moment."""


class Forget(Claim):
    """The payloads of these lines are destroyed with the line that says so."""

    call_id: str
    lines: tuple[int, ...]
