"""What an undo would do: for each call where it stands, the literal inverse calls, and what stays behind.

Values only, and their digest. planner.py makes them by looking; execute.py does what they say.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal

from gateway.core.model import JsonObject
from gateway.core.record import State
from gateway.core.reverse import Image, Recorded, Verdict
from gateway.signer import Signer, is_signed
from gateway.undo import order
from gateway.values import Value, as_plain, field

Standing = Literal[
    "ready",
    "held",
    "waits",
    "already",
    "nothing",
    "not_applied",
    "drift",
    "dependents",
    "blocked",
    "irreversible",
    "doubt",
    "unreadable",
    "refused",
]
"""ready         the world is as this call left it
held          it has not been sent: it is taken back by not sending it
waits         it wrote what calls before it in this plan wrote: it is looked at when its turn comes
already       the world is as it was before the call
nothing       the call changed nothing
not_applied   the call was never done
drift         somebody changed it since; who, the journal does not know
dependents    calls that are not in this plan wrote there since
blocked       a call that must be undone first cannot be
irreversible  there is no way back
doubt         what came of the call is not known
unreadable    the world could not be looked at
refused       the policy does not let this operator undo it"""

Choice = Literal["refuse", "skip", "force"]
"""What is done about conflicts: nothing at all is undone; those calls are left; they are undone all the same."""

CONFLICTS: Final[frozenset[Standing]] = frozenset({"drift", "dependents", "blocked"})
NOT_THERE: Final[frozenset[Standing]] = frozenset({"already", "nothing", "not_applied"})
"""Nothing of the call is in the world."""
TO_DO: Final[frozenset[Standing]] = frozenset({"ready", "held", "waits"})


FEW: Final = 3


def few(names: Sequence[str]) -> str:
    """The last of them, which are the nearest, and how many more there are."""
    more = len(names) - FEW
    named = ", ".join(names[-FEW:])
    return f"{named} and {more} more" if more > 0 else named


NAMED: Final = 8
"""So many of those that wrote there later are looked for: of two agents that wrote one file in turn each call would
name all later ones of the other."""


def latest(writers: Iterable[str]) -> tuple[str, ...]:
    """Of those that wrote there since, given the latest first, the latest: the earliest of them first."""
    return tuple(islice(writers, NAMED))[::-1]


def written_later(calls: Sequence[str]) -> str:
    """That these wrote there since, in words."""
    named = few(calls) if len(calls) < NAMED else f"{', '.join(calls[-FEW:])} and more"
    return f"written later by {named}"


class Exposure(Value):
    """Who read from that tool server since: they may have seen it. What they looked at is not known."""

    agent: str
    tenant: str
    task: str
    reads: int


class Planned(Value):
    """One call of a plan."""

    call: Recorded
    standing: Standing
    why: str = ""
    """For the operator; empty when there is nothing to explain."""
    after: tuple[str, ...] = ()
    """The next calls of this plan that wrote there later: they are undone first, and before them those behind them."""
    dependents: tuple[str, ...] = ()
    """Calls outside of it that did: the latest."""
    exposed: tuple[Exposure, ...] = ()
    current: Image | None = None
    """What the look found; None when there was none."""
    known_by: Literal["", "look", "undo"] = ""
    """Of one that is `already` back: a look found its pre-image; or an earlier undo has taken it back, and no later
    call explains what was found since."""
    at_last: bool = False
    """An earlier undo took it back: it is only looked at, when the later calls are undone (earlier.py)."""
    room: tuple[str, ...] = ()
    """What it held alone when it was made, by its pack; empty where that is not known."""

    last_step: int = 0
    """The line of the latest step that an undo had begun for it by then."""
    proven: frozenset[str] = frozenset()
    """Tools of later calls that it may be undone before, by its pack's certificate."""

    @property
    def may_precede(self) -> frozenset[str] | None:
        """The same, as it stands now; None: nothing is sent. Nobody has tried a forced undo out of turn."""
        if self.at_last or self.standing not in TO_DO | CONFLICTS:
            return None
        return self.proven if self.standing in TO_DO | {"blocked"} else frozenset()

    @property
    def alone(self) -> tuple[str, ...]:
        """What its undo holds alone; nothing, where the call held nothing. Where nothing is sent nobody is excluded."""
        sends = self.standing in TO_DO | CONFLICTS
        return self.room or (order.any_room(self.call) if sends else self.call.keys)


class Plan(Value):
    """All of it, in the order of undoing."""

    scope: JsonObject
    operator: str
    entries: tuple[Planned, ...]
    replanned: Mapping[str, str] = field(default_factory=dict)
    """Calls whose steps were worked out anew -> the pack they were worked out by."""
    untold: tuple[str, ...] = ()
    """Calls that are not in it, and might be: nobody knows which resources they wrote."""

    @property
    def conflicts(self) -> tuple[Planned, ...]:
        return tuple(entry for entry in self.entries if entry.standing in CONFLICTS)

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of everything that decides what is done: the calls, how they stand, their
        inverse calls, and the world as it was looked at. Exposure is not part of it."""
        text = json.dumps([_decisive(entry) for entry in self.entries], sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"


def _decisive(entry: Planned) -> list[Any]:
    call = entry.call
    steps = (
        None if call.reversal.steps is None else [as_plain(step) for step in call.reversal.steps]
    )
    current = {name: as_plain(one) for name, one in (entry.current or {}).items()}
    return [
        call.call_id,
        call.lines,
        call.state,
        call.reversal.level,
        entry.standing,
        list(entry.after),
        list(entry.dependents),
        steps,
        current,
    ]


UNDONE_AS: Final[dict[Standing, Verdict]] = {
    "already": "already",
    "nothing": "no_effect",
    "not_applied": "not_applied",
    "drift": "conflict",
    "dependents": "conflict",
    "blocked": "conflict",
    "irreversible": "irreversible",
    "doubt": "in_doubt",
    "unreadable": "failed",
    "refused": "refused",
}
"""What is reported of a call that is left as it is."""


def reaches_further(call: Recorded) -> bool:
    """It changed no record; and that is not all it does: by its pack something stays behind (a mail)."""
    return call.state is State.NO_EFFECT and bool(call.reversal.beyond)


def changed_nothing(call: Recorded) -> str:
    """Why there is nothing to be undone."""
    if reaches_further(call):
        return f"it changed no record; stays behind: {call.reversal.beyond}"
    return "it changed nothing"


def left_as(entry: Planned) -> Verdict:
    """The verdict of a call that is left as it is; of one that was to be undone, and was not: failed."""
    if entry.standing == "nothing" and reaches_further(entry.call):
        return "compensated"
    return UNDONE_AS.get(entry.standing, "failed")


_SIGNED: Final = b"bulkhead rollback plan 1\n"
"""Signed in front of a digest, so that no other signature of the key can be taken for one."""


def signature(digest: str, signer: Signer) -> JsonObject:
    """Who says that this is a plan of this installation."""
    signed = base64.b64encode(signer.sign(_SIGNED + digest.encode("ascii"))).decode()
    return {"signed_by": signer.name, "signature": signed}


def is_ours(plan: JsonObject, signer: Signer) -> bool:
    """Was this plan, as `as_json` gives it, made and signed by this installation?"""
    try:
        signed = base64.b64decode(plan["signature"], validate=True)
        message = _SIGNED + plan["plan"].encode("ascii")
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return plan.get("signed_by") == signer.name and is_signed(signer.name, signed, message)


def as_json(plan: Plan, signer: Signer) -> JsonObject:
    """The plan for programs: everything, the inverse calls with all their arguments."""
    return {
        "plan": plan.digest,
        **signature(plan.digest, signer),
        "replanned": dict(plan.replanned),
        "scope": plan.scope,
        "operator": plan.operator,
        "untold": list(plan.untold),
        "calls": [_entry_json(entry) for entry in plan.entries],
    }


def _entry_json(entry: Planned) -> JsonObject:
    call, reversal = entry.call, entry.call.reversal
    steps = None if reversal.steps is None else [as_plain(step) for step in reversal.steps]
    return {
        "call": call.call_id,
        "agent": call.record.agent,
        "tenant": call.record.tenant,
        "task": call.record.task,
        "server": call.record.server,
        "target": call.record.target,
        "state": call.state.value,
        "epoch": call.epoch,
        "keys": list(call.keys),
        "standing": entry.standing,
        "why": entry.why,
        "level": reversal.level.value,
        "strategy": reversal.strategy,
        "guard": reversal.guard,
        "fidelity": reversal.fidelity,
        "residue": list(reversal.residue),
        "undo_until": reversal.undo_until,
        "case": reversal.why,
        "inverse": steps,
        "after": list(entry.after),
        "dependents": list(entry.dependents),
        "exposed": [as_plain(each) for each in entry.exposed],
    }
