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
RESIDUE: Final = EXIT["compensated"]

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
    untold: tuple[str, ...] = ()
    """Calls that were in no plan, and might have been: nobody knows which resources they wrote."""

    @property
    def summary(self) -> Summary:
        """complete: all is as it was. with residue: all was done that can be. partial: something is left."""
        if self.exit_status == 0:
            return "complete"
        return "complete_with_residue" if self.exit_status == RESIDUE else "partial"

    @property
    def exit_status(self) -> int:
        """0 to 8, as documented in docs/reference/rollback.md."""
        least = 4 if self.stopped else RESIDUE if self.untold else 0
        return max([least, *(EXIT[one.verdict] for one in self.found.values())])

    def as_json(self) -> JsonObject:
        """The report for programs."""
        return {
            "undo": self.undo_id or None,
            "summary": self.summary,
            "exit_status": self.exit_status,
            "stopped": self.stopped or None,
            "untold": list(self.untold),
            "calls": [
                {"call": call, "verdict": one.verdict, "why": one.why}
                for call, one in self.found.items()
            ],
        }
