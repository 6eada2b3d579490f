"""A recorded call, read back from its first journal line: what was asked, what was answered, what was not kept.

Nothing is guessed. What the journal did not keep in clear, and cannot be opened, is `HIDDEN`; what the line
does not say of the answer is left open. It knows the written form of a line (docs/reference/journal.md)
and no store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from pydantic_core import from_json

from gateway.core import apart
from gateway.core.describe import duty
from gateway.core.model import AccessRequest, Decision, Effect, Target, Tier
from gateway.core.record import State
from gateway.core.reverse import READ
from gateway.core.written import Unseal
from gateway.policy import pointers
from gateway.policy.asking import target
from gateway.ports import EventRow
from gateway.reasons import Reason
from gateway.settings import ITSELF

HIDDEN: Final = object()
"""Stands for a value that was not kept."""

MAX_NAME: Final = 4_096
"""Longer names are cut short in the journal."""
FIRST: Final = frozenset({State.INTENT, State.HELD, State.REFUSED})
"""What a call's first line may be. An undo's and an operator's word are no calls."""
DENIALS: Final = frozenset(
    {
        Reason.UNCLASSIFIED,
        Reason.OTHER_TIER,
        Reason.NO_RULE,
        Reason.DENIED_BY_RULE,
        Reason.DECISION_FAILED,
        Reason.NOT_REVERSIBLE,
        Reason.GRANT_NEEDED,
    }
)
"""Reasons that are the policy's own: all others come before it was asked, or after it had permitted."""
_OF_A_GRANT: Final = frozenset({Reason.OUTSIDE_GRANT, Reason.GRANT_OVER, Reason.GRANT_SPENT})


class Answer(NamedTuple):
    """What a policy says of one call."""

    permitted: bool
    rule: str
    """The deciding rule, or why there is none; empty when the journal does not say which permitted it."""
    where: str = ""
    duties: frozenset[str] | None = frozenset()
    """As `describe.duty` has them; None when the journal does not say. Older lines have the rules' ids alone."""
    then: str = ""
    """Why it was refused all the same, after the policy had permitted it."""

    @classmethod
    def of(cls, said: Decision) -> Answer:
        """As a policy gives it."""
        duties = frozenset(map(duty, said.obligations))
        return cls(said.permitted, said.rule or said.reason, str(said.where or ""), duties)

    def __str__(self) -> str:
        said = "allowed" if self.permitted else "denied"
        duties = f" with {' '.join(sorted(self.duties))}" if self.duties else ""
        then = f", then {self.then}" if self.then else ""
        return f"{said} {self.rule}".rstrip() + duties + then


class Recalled(NamedTuple):
    """One recorded call."""

    call_id: str
    record: Mapping[str, Any]
    arguments: Any
    """A JSON object with `HIDDEN` in it, or `HIDDEN`."""
    veiled: bool
    """Is anything of the arguments hidden?"""
    level: str | None
    """How far it could be undone; None when that was not looked at, or not written."""
    guard: str | None
    answer: Answer | None
    """As it was given; None when the line does not say whether the policy was asked."""
    closed: bool
    """Its arguments are kept apart, and were not opened with the line (`ports.EventRow`)."""

    @property
    def nameless(self) -> bool:
        """Is its name in the journal perhaps not the whole name? A URI may hold a secret, or be very long."""
        long = len(self.record["target"]) >= MAX_NAME
        return long or (self.veiled and self.record["method"].startswith("resources/"))

    @property
    def own(self) -> bool:
        """The gateway's own business, for an operator: it has no line in tiers.yaml."""
        return str(self.record["agent"]).startswith("operator:")

    @property
    def granted(self) -> bool | None:
        """Had it a grant? None: the line does not say, for it may have been refused before one was looked for."""
        old = self.answer
        if self.record.get("grant") or (old is not None and old.then in _OF_A_GRANT):
            return True
        if old is None or old.then or not (old.permitted or old.rule == Reason.GRANT_NEEDED):
            return None
        return False

    @property
    def target(self) -> Target:
        """A tool is one by the method it was called by, whatever its name imitates."""
        server, name = self.record["server"], self.record["target"]
        if self.record["method"] == "tools/call":
            return Target(server, "tool", name)
        return target(server, name)

    def asked(self, tier: Tier, effect: Effect, destination: str, server: str) -> AccessRequest:
        """What the PDP is asked about it, as core/decide.py makes it."""
        record, level, guard = self.record, self.level, self.guard
        if effect is Effect.READ:
            level, guard = READ.level.value, READ.guard
        elif record["effect"] == Effect.READ:
            level = guard = None
        return AccessRequest(
            subject=record["agent"],
            tenant=record["tenant"],
            intent=record["intent"],
            tier=tier,
            server=server,
            tool=record["target"],
            destination=destination,
            effect=effect,
            arguments={} if self.arguments is HIDDEN else self.arguments,
            task=record["task"],
            level=level,
            guard=guard,
            on_behalf_of=record.get("on_behalf_of", ""),
        )

    def hides(self, argument: str) -> bool:
        """Could the value of this argument (a name or a JSON pointer) be another than the one at hand?"""
        if not self.veiled:
            return False
        value = self.arguments
        for part in pointers.steps(argument):
            if value is HIDDEN:
                return True
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                return False
        return _holds_hidden(value)


Beside = Literal["beside"]
BESIDE: Final = "beside"
"""No policy was asked about it: it led nowhere, or it was nobody's call to a tool server."""


def recall(line: EventRow, unseal: Unseal | None = None) -> Recalled | Beside | None:
    """The call a line begins, `BESIDE` for one that no policy was asked about, None for any other line."""
    if line.kind not in FIRST:
        return None
    said = _parsed(line.body)
    record = said.get("record")
    if record is None:
        return None
    body = said["body"]
    answer = _answer(line.kind, record, body)
    if isinstance(answer, str):
        return answer
    closed = "arguments" in said.get(apart.MEMBER, ()) and "arguments" not in line.payloads
    if not closed and apart.MEMBER in said:
        record = apart.forgotten(said, line.payloads)["record"]
    kept = HIDDEN if closed else _opened(record["arguments"], unseal)
    level, guard = _level(line.kind, record, body)
    return Recalled(line.call_id, record, kept, _holds_hidden(kept), level, guard, answer, closed)


def _parsed(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        return json.loads(body)  # lone surrogates: slower, and as exact


def _answer(
    kind: State, record: Mapping[str, Any], body: Mapping[str, Any]
) -> Answer | Beside | None:
    by_somebody = str(record["agent"]).startswith(("agent:", "operator:"))
    if not by_somebody or not record["target"] or record["server"] == ITSELF:
        return BESIDE
    rule, where = record["rule"], record["where"]
    if kind is not State.REFUSED:
        if not rule:  # what a forced undo overwrites is a call of its own, asked about by its steps
            return BESIDE
        return Answer(True, rule, where, frozenset(record.get("duties", "").split()))
    reason = body["reason"]
    if record["tier"] == "" and reason != Reason.UNCLASSIFIED:
        return BESIDE
    if reason == Reason.INTERNAL:
        return None
    if reason == Reason.DENIED_BY_RULE and rule[:1] != "D":
        return Answer(True, rule if rule[:1] == "P" else "", where, None, "a duty unfulfilled")
    if reason == Reason.NOT_REVERSIBLE and rule[:1] == "P":
        return Answer(True, rule, where, None, "could not be held")
    if reason in DENIALS:
        return Answer(False, rule or reason, where)
    return Answer(True, "", "", None, reason)


def _level(
    kind: State, record: Mapping[str, Any], body: Mapping[str, Any]
) -> tuple[str | None, str | None]:
    """As it was decided with. That of a held call's line is of the call not yet sent: another matter."""
    if record["effect"] == Effect.READ:
        return READ.level.value, READ.guard
    found = body.get("undo") if kind is State.INTENT else body
    if kind is State.HELD or not isinstance(found, Mapping):
        return None, None
    return found.get("level"), found.get("guard")


def _opened(kept: Any, unseal: Unseal | None) -> Any:
    if isinstance(kept, list):
        return [_opened(item, unseal) for item in kept]
    if not isinstance(kept, dict):
        return kept
    if "redacted" in kept:
        return HIDDEN
    if "sealed" in kept:
        try:
            return HIDDEN if unseal is None else unseal(kept)
        except ValueError:
            return HIDDEN
    return {name: _opened(value, unseal) for name, value in kept.items()}


def _holds_hidden(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_hidden, value.values()))
    if isinstance(value, list):
        return any(map(_holds_hidden, value))
    return value is HIDDEN
