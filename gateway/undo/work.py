"""One call while it is undone: what is known of it, and how the world stands to that. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.model import Outcome
from gateway.core.reverse import Image, Recorded, Step
from gateway.undo.between import nothing_new
from gateway.undo.looking import Sight
from gateway.undo.plan import Planned
from gateway.undo.thread import Begun, Forced, Found


class Stop(Exception):
    """This call's undo ends here, with this verdict."""

    def __init__(self, found: Found) -> None:
        super().__init__(found.why)
        self.found = found


@dataclass(slots=True)
class Work:
    """One call while it is undone."""

    entry: Planned
    sight: Sight
    begun: Begun
    steps: tuple[Step, ...]
    world: Image
    """As last looked at."""
    forced: Forced | None = None
    """The call that stands for what a forced undo overwrites; None: nothing is overwritten."""

    @property
    def call(self) -> Recorded:
        return self.entry.call

    def is_back(self, image: Image) -> bool:
        """Does a reading say that it is as before the call?"""
        return self.sight.pack.same(self.call.reversal.pre, image)

    def is_as_left(self) -> bool:
        """Is the world as this undo left it; before its first step: as it found it?"""
        left = self.begun.image if self.begun.done else self._found
        return left is not None and self.sight.pack.same(left, self.world)

    def is_ours(self) -> bool:
        """Is nothing in the world that neither the call nor its undo put there?"""
        known = (self._found, self.begun.image, self.call.reversal.pre)
        compared = self.sight.pack.compared
        return nothing_new([compared(one) for one in known if one], compared(self.world))

    @property
    def _found(self) -> Image | None:
        return self.call.post if self.forced is None else self.forced.world


def not_done(call: Recorded, number: int, step: Step, outcome: Outcome) -> Found:
    """What is found of a call whose step did not work. A companion tells when it left something to others."""
    words = said(outcome)
    theirs = step.server != call.record.server and words.startswith("CONFLICT:")
    return Found("conflict" if theirs else "failed", f"step {number}: {step.tool}: {words}")


def said(outcome: Outcome) -> str:
    """What a tool server said of a step that did not work, on one line."""
    if outcome.error is not None:
        return outcome.error.message[:300]
    content = (outcome.result or {}).get("content")
    blocks = content if isinstance(content, list) else []
    texts = [block.get("text", "") for block in blocks if isinstance(block, dict)]
    return " ".join(str(text) for text in texts)[:300] or outcome.detail or outcome.kind
