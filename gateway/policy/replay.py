"""Recorded calls, asked of another policy: old answer and new, compared and counted by rule.

A call is `same`, `changed`, `untold` (what the journal kept does not say which) or `beside` (no policy
was asked about it). What cannot be told is never counted as the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway.policy.recalled import Answer, Recalled
from gateway.policy.recalling import Recalling
from gateway.policy.rehearse import Possible, Rehearsal

Kind = Literal["same", "changed", "untold", "beside"]
SHOWN: Final = 3
"""Calls named of each group."""
_UNSAID: Final = "what was decided is not on record"
_DUTIES: Final = "the duties it had are not on record"


@dataclass(slots=True)
class Group:
    """Calls with the same old answer and the same new one."""

    kind: Kind
    old: str
    old_where: str
    new: str
    new_where: str
    why: str
    """What is not known, for `untold`."""
    count: int = 0
    calls: list[str] = field(default_factory=list)
    """The first few, by id."""


@dataclass(slots=True)
class Replayed:
    """A whole replay. Groups of `same` are those another rule answers now."""

    counts: dict[Kind, int] = field(
        default_factory=lambda: {"same": 0, "changed": 0, "untold": 0, "beside": 0}
    )
    _groups: dict[tuple[object, ...], Group] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def groups(self, kind: Kind) -> Sequence[Group]:
        """Of one kind, the largest first."""
        found = [group for group in self._groups.values() if group.kind == kind]
        return sorted(found, key=lambda group: -group.count)

    def note(self, call: Recalled, possible: Possible) -> None:
        """One call more."""
        old, new = call.answer, possible.answers
        kind, why = compare(old, possible)
        self.counts[kind] += 1
        if kind == "same" and old and all(each.rule == old.rule or not old.rule for each in new):
            return
        key = (kind, old, new, why)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _group(kind, old, new, why)
        group.count += 1
        if len(group.calls) < SHOWN:
            group.calls.append(call.call_id)


def replay(rehearsal: Rehearsal, calls: Recalling) -> Replayed:
    """All these calls."""
    replayed = Replayed()
    for _, call in calls.asked_of(rehearsal):
        if isinstance(call, Recalled):
            replayed.note(call, rehearsal.possible(call))
        else:
            replayed.counts[call] += 1
    return replayed


def compare(old: Answer | None, possible: Possible) -> tuple[Kind, str]:
    """The kind, and for `untold` what is not known."""
    if old is None:
        return "untold", _UNSAID
    verdicts = {_agree(old, new) for new in possible.answers}
    if verdicts == {True}:
        return "same", ""
    if verdicts == {False}:
        return "changed", ""
    unsaid = (_DUTIES,) if None in verdicts else ()
    return "untold", ", ".join((*possible.doubts, *unsaid))


def _agree(old: Answer, new: Answer) -> bool | None:
    """Is the call answered alike? None: the journal does not say with which duties. By which rule is all one."""
    if old == new or old.permitted is not new.permitted or not old.permitted:
        return old.permitted is new.permitted
    if not (old.duties and new.duties):
        return None if old.duties is None and new.duties else not (old.duties or new.duties)
    before, now = _asked_for(old.duties), _asked_for(new.duties)
    return None if "" in before else before == now


def _asked_for(duties: frozenset[str]) -> frozenset[str]:
    """Empty for one of which only the rule is on record."""
    return frozenset(duty.partition("=")[2] for duty in duties)


def _group(kind: Kind, old: Answer | None, new: frozenset[Answer], why: str) -> Group:
    return Group(
        kind,
        str(old) if old else "not on record",
        old.where if old else "",
        " or ".join(sorted(map(str, new))),
        " ".join(sorted({each.where for each in new if each.where})),
        why,
    )
