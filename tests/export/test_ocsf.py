from __future__ import annotations

import json

import pytest

from gateway.core.record import State
from gateway.export.ocsf import event
from gateway.ports import CallRow, EventRow
from tests.journals.calls import NOON, call_record


def line(kind: State, body: dict[str, object], **more: object) -> EventRow:
    return EventRow(7, "call1", kind, NOON, json.dumps({"body": body, **more}).encode())


def call(**changes: str) -> CallRow:
    return CallRow(call_record("call1", **changes), State.APPLIED, NOON, NOON, {})


def test_a_line_is_api_activity_of_its_agent_at_its_server() -> None:
    said = line(State.APPLIED, {"outcome": "ok"}, payloads={"arguments": "sha256:cc"})
    made = event(said, call(), "1.2")
    assert (made["class_uid"], made["type_uid"], made["activity_id"]) == (6003, 600_302, 2)
    assert made["time"] == NOON // 1000
    assert made["actor"]["user"]["uid"] == "agent:analyst"
    assert made["api"] == {
        "operation": "tools/call",
        "service": {"name": "git"},
        "request": {"uid": "call1"},
    }
    assert made["metadata"]["sequence"] == 7
    assert made["unmapped"]["payloads"] == {"arguments": "sha256:cc"}


@pytest.mark.parametrize(
    ("kind", "status", "severity", "action"),
    [
        (State.INTENT, 0, 1, 1),
        (State.APPLIED, 1, 1, 1),
        (State.FAILED, 2, 1, 1),
        (State.REFUSED, 2, 2, 2),
        (State.IN_DOUBT, 0, 3, 1),
    ],
)
def test_what_became_of_it_is_told_by_status_severity_and_action(
    kind: State, status: int, severity: int, action: int
) -> None:
    made = event(line(kind, {}), call(), "1")
    assert (made["status_id"], made["severity_id"], made["action_id"]) == (status, severity, action)


def test_a_refusal_says_why() -> None:
    made = event(line(State.REFUSED, {"reason": "no_rule", "detail": "closest: P1"}), call(), "1")
    assert made["status_detail"] == "no_rule"
    assert made["actor"]["authorizations"][0]["decision"] == "Denied"


def test_no_argument_and_no_result_goes_out() -> None:
    made = event(line(State.APPLIED, {"outcome": "ok", "kept": "secret"}), call(), "1")
    text = json.dumps(made)
    assert "secret" not in text
    assert "/srv/x" not in text
