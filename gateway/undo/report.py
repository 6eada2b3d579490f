"""What came of an undo: a verdict for each call, one summary, one exit status. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from gateway.core.model import JsonObject
from gateway.core.reverse import Verdict
from gateway.undo.thread import Found
from gateway.values import Value

Summary = Literal["complete", "complete_with_residue", "partial"]

EXIT: Final[dict[Verdict, int]] = {
    "restored": 0,
    "already": 0,
    "no_effect": 0,
    "not_applied": 0,
    "compensated": 3,
    "unverified": 3,
    "conflict": 4,
    "in_doubt": 5,
    "irreversible": 6,
    "failed": 7,
    "refused": 8,
}
"""The highest of a report's is the command's exit status."""

MEANING: Final[dict[Verdict, str]] = {
    "restored": "as it was before; a reading says so",
    "compensated": "done what can be done; a residue stays",
    "already": "was as before already; nothing was done",
    "no_effect": "the call changed nothing",
    "not_applied": "the call was not done",
    "conflict": "left as it is: somebody changed it since, or a later call stands in the way",
    "in_doubt": "not known what came of it",
    "irreversible": "there is no way back",
    "failed": "the undo did not get through; it can be taken up again",
    "unverified": "done, and no reading says that it is as before",
    "refused": "the policy does not let this operator undo it",
}


class Report(Value):
    """Per call its verdict, in the order of undoing."""

    undo_id: str
    """Empty when nothing was begun."""
    found: Mapping[str, Found]
    stopped: str = ""
    """Why nothing at all was done, when it was not."""

    @property
    def summary(self) -> Summary:
        return summary(self.found) if not self.stopped else "partial"

    @property
    def exit_status(self) -> int:
        """0 to 8, as documented in docs/reference/rollback.md."""
        highest = max((EXIT[one.verdict] for one in self.found.values()), default=0)
        return max(highest, 4) if self.stopped else highest

    def as_json(self) -> JsonObject:
        """The report for programs."""
        return {
            "undo": self.undo_id or None,
            "summary": self.summary,
            "exit_status": self.exit_status,
            "stopped": self.stopped or None,
            "calls": [
                {"call": call, "verdict": one.verdict, "why": one.why}
                for call, one in self.found.items()
            ],
        }


def summary(found: Mapping[str, Found]) -> Summary:
    """complete: all is as it was. with residue: all was done that can be. partial: something is left."""
    highest = max((EXIT[one.verdict] for one in found.values()), default=0)
    if highest == 0:
        return "complete"
    return "complete_with_residue" if highest == 3 else "partial"
