"""Journal lines of calls as a gateway writes them, for tests that ask a policy again. Nothing is sealed."""

from __future__ import annotations

from typing import Any

from gateway.core import record
from gateway.core.describe import describe, with_others
from gateway.core.record import Line, State
from gateway.core.reverse import Reversal
from gateway.core.written import intent_body
from gateway.journals import form
from gateway.policy import PolicySnapshot
from gateway.policy.asking import Asked, ask
from gateway.policy.recalling import Recalling
from gateway.ports import EventRow


def recorded(
    policy: PolicySnapshot, asked: Asked, call_id: str = "call01", kept: Any = None
) -> Line:
    """The first line of this call under this policy. `kept`: its arguments as the journal has them."""
    reply = ask(policy, asked)
    decision, reversal = reply.decision, asked.reversal
    entry = describe(
        call_id,
        reply.classified or asked.resolved(),
        arguments=asked.arguments if kept is None else kept,
        arguments_digest="hmac-sha256:0",
        policy_version=policy.version,
        rule=decision.rule or "",
        where=decision.where,
    )
    if not decision.permitted:
        level = {"level": reversal.level.value, "guard": reversal.guard} if reversal else {}
        return record.refusal(entry, 1, str(decision.reason), decision.near_miss, level)
    body = None if reversal is None else _undo(reversal)
    return record.intent(with_others(entry, decision), 1, body)


def _undo(reversal: Reversal) -> dict[str, Any]:
    return intent_body(reversal, lambda value: {"sealed": "x"})


def row(line: Line, seq: int = 1) -> EventRow:
    """As a store gives it back that keeps nothing apart."""
    return EventRow(seq, line.call_id, State(line.kind), line.at, form.encode(line, "run"))


def kept(*lines: Line) -> Recalling:
    """A journal of these lines."""
    return Recalling([[row(line, seq) for seq, line in enumerate(lines, 1)]], lambda some: some)
