"""Calls for journal tests: a record with everything filled in, and the lines around it."""

from __future__ import annotations

from typing import Any

from gateway.core import record
from gateway.core.model import CallRecord, OutcomeKind
from gateway.core.record import Line
from gateway.values import replace

NOON = 1_795_000_000_000_000

PLAIN = CallRecord(
    call_id="",
    agent="agent:analyst",
    tenant="local",
    task="task-1",
    intent="general",
    endpoint="/mcp",
    method="tools/call",
    server="git",
    target="git_log",
    tier="data",
    effect="read",
    destination="local",
    rule="P010",
    where="policies/policy.csv:12",
    policy_version="sha256:aa",
    descriptor="sha256:bb",
    arguments={"repo_path": "/srv/x", "max_count": 3},
    arguments_digest="hmac-sha256:cc",
)


def call_record(call_id: str, **changes: Any) -> CallRecord:
    return replace(PLAIN, call_id=call_id, **changes)


def intent(call_id: str, at: int = NOON, **changes: Any) -> Line:
    return record.intent(call_record(call_id, **changes), at)


def refusal(call_id: str, at: int = NOON, **changes: Any) -> Line:
    return record.refusal(call_record(call_id, **changes), at, "no_rule", "nearest P020")


def outcome(call_id: str, kind: OutcomeKind = "ok", at: int = NOON + 1_000) -> Line:
    return record.outcome(call_id, at, kind, {"digest": "sha256:dd"})
