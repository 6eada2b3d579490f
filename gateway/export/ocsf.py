"""One journal line as an OCSF event: class API Activity (6003), with the security-control profile. Pure.

Nothing that can be forgotten goes out: of arguments, images and words there are the line's commitments.

`metadata.sequence` is the line's number: who gets an event twice can tell. Source: OCSF schema 1.6,
https://schema.ocsf.io/1.6.0/classes/api_activity
"""

from __future__ import annotations

import json
from typing import Any, Final

from gateway.core.model import CallRecord
from gateway.core.record import DOUBTFUL, State
from gateway.ports import CallRow, EventRow

VERSION: Final = "1.6.0"
CATEGORY: Final = 6
CLASS: Final = 6003

_ACTIVITY: Final = {"read": 2, "write": 3, "destroy": 4}
"""Read, Update, Delete; 99 is Other."""
_SUCCESS: Final = frozenset({State.APPLIED, State.UNDONE})
_FAILURE: Final = frozenset({State.REFUSED, State.FAILED, State.REJECTED})
_INFORMATIONAL, _LOW, _MEDIUM = 1, 2, 3


def event(line: EventRow, call: CallRow, product_version: str) -> dict[str, Any]:
    """The event of one line of one call. Times: milliseconds since the epoch, as OCSF has them."""
    record, said = call.record, json.loads(line.body)
    body = said["body"]
    activity = _ACTIVITY.get(record.effect, 99)
    return {
        "activity_id": activity,
        "category_uid": CATEGORY,
        "class_uid": CLASS,
        "type_uid": CLASS * 100 + activity,
        "time": line.at // 1000,
        "severity_id": _severity(line.kind),
        "status_id": 1 if line.kind in _SUCCESS else 2 if line.kind in _FAILURE else 0,
        "status_code": str(line.kind),
        "status_detail": _detail(body),
        "action_id": 2 if line.kind is State.REFUSED else 1,
        "disposition_id": 2 if line.kind is State.REFUSED else 1,
        "metadata": _metadata(line, record, product_version),
        "actor": _actor(line, record),
        "api": {
            "operation": record.method,
            "service": {"name": record.server},
            "request": {"uid": record.call_id},
        },
        "src_endpoint": {"name": record.agent},
        "dst_endpoint": {"name": record.destination},
        "resources": [{"name": record.target, "type": record.tier}],
        "unmapped": _unmapped(record, said),
    }


def uid(line: EventRow) -> str:
    """Of a line's event: no two journals have one in common."""
    return f"{line.call_id}/{line.seq}"


def _metadata(line: EventRow, record: CallRecord, product_version: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "product": {"name": "Bulkhead", "vendor_name": "Bulkhead", "version": product_version},
        "profiles": ["security_control"],
        "uid": uid(line),
        "sequence": line.seq,
        "correlation_uid": record.call_id,
    }


def _actor(line: EventRow, record: CallRecord) -> dict[str, Any]:
    decision = "Denied" if line.kind is State.REFUSED else "Allowed"
    policy = {"uid": record.rule, "version": record.policy_version}
    return {
        "user": {"uid": record.agent, "name": record.agent, "type_id": 3},
        "session": {"uid": record.task},
        "authorizations": [{"decision": decision, "policy": policy}],
    }


def _unmapped(record: CallRecord, said: dict[str, Any]) -> dict[str, Any]:
    """What the journal has and OCSF has no place for."""
    return {
        "tenant": record.tenant,
        "intent": record.intent,
        "grant": record.grant,
        "on_behalf_of": record.on_behalf_of,
        "endpoint": record.endpoint,
        "where": record.where,
        "descriptor": record.descriptor,
        "payloads": said.get("payloads", {}),
        "level": str(said["body"].get("undo", {}).get("level", "")),
    }


def _severity(kind: State) -> int:
    return _MEDIUM if kind in DOUBTFUL else _LOW if kind is State.REFUSED else _INFORMATIONAL


def _detail(body: dict[str, Any]) -> str:
    """The reason code, or the verdict of an undo."""
    return str(body.get("reason") or body.get("verdict") or "")
