"""A refusal on record, explained: the step, the reason, what it said then, and what comes nearest now.

For operators, never for agents. It knows the policy and the record, and no catalogue: who asks gives the names.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from gateway.core import approval
from gateway.core.decide import question
from gateway.core.grant import Terms, outside
from gateway.core.model import Classified
from gateway.core.record import State
from gateway.core.steps import STEPS, Step
from gateway.policy import near_miss
from gateway.policy.snapshot import PolicySnapshot
from gateway.ports import CallRow
from gateway.reasons import Reason
from gateway.settings import ITSELF
from gateway.values import Value


class Refusal(Value):
    """What was said no to, where on the Line, and why."""

    reason: Reason
    step: Step
    detail: str
    """As the journal has it: the grant and its term, the fence and who set it, the closest rule, the ticket."""
    near: str
    """What comes nearest to it that would do; empty when the detail says all there is."""


def refusal(
    policy: PolicySnapshot, row: CallRow, classified: Classified | None, known: Collection[str]
) -> Refusal | None:
    """Why this call was refused; None for one that was not. `known`: approved names as agents use them."""
    reason = row.outcome.get("reason")
    if row.state is not State.REFUSED or reason not in tuple(Reason):
        return None
    why, detail = Reason(reason), str(row.outcome.get("detail", ""))
    if why is Reason.UNKNOWN_TARGET and row.record.server == ITSELF:
        # What the gateway itself does not know is a grant, and no name of a tool comes near it.
        return Refusal(why, STEPS[Reason.GRANT_OVER], detail, "")
    if why is Reason.OVERLOADED and approval.is_crowded(detail):
        return Refusal(why, Step(9, "approve", "bulkhead approvals list"), detail, "")
    return Refusal(why, STEPS[why], detail, _near(policy, row, classified, known, why))


def _near(
    policy: PolicySnapshot,
    row: CallRow,
    classified: Classified | None,
    known: Collection[str],
    why: Reason,
) -> str:
    if why is Reason.UNKNOWN_TARGET:
        close = difflib.get_close_matches(row.record.target, known, 1, 0.0)
        return f"closest approved name: {close[0]}" if close else "nothing is approved here"
    if why in (Reason.GRANT_NEEDED, Reason.OUTSIDE_GRANT) and classified is not None:
        return _intents(policy, classified)
    if why is Reason.NO_RULE and classified is not None:
        return _rule(policy, classified)
    return ""


def _rule(policy: PolicySnapshot, classified: Classified) -> str:
    """The closest rule, where none names the tool in its tier; else the detail names it."""
    asked = question(classified)
    if near_miss.named(policy.pdp.index, asked):
        return ""
    roles = policy.pdp.index.roles(asked.subject, asked.tenant)
    return near_miss.anywhere(policy.book.rules, asked, roles)


def _intents(policy: PolicySnapshot, classified: Classified) -> str:
    """Which declared intents could give it, or what the closest of them lacks."""
    ceilings = policy.intents.ceilings
    lacks = {name: outside(terms, classified) for name, terms in ceilings.items()}
    giving = sorted(name for name, lack in lacks.items() if not lack)
    if giving:
        return f"a grant could give it, for intent {' or '.join(giving)}"
    if not lacks:
        return "no intent is declared in policies/intents.yaml"
    closest = min(lacks, key=lambda name: _missing(ceilings[name], classified))
    return f"no declared intent gives it; closest: {closest}, without {lacks[closest]}"


def _missing(terms: Terms, classified: Classified) -> int:
    """0 when all but the last thing that is asked of terms is there."""
    lack = outside(terms, classified)
    return 0 if lack.startswith("destination") else 2 if lack.startswith("tier") else 1
