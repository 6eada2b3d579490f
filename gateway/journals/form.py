"""The written form of a journal line: bytes made once, kept exactly, and read back into rows.

A line is one JSON object in ASCII with every control character escaped, so its bytes can be shown,
piped and hashed as they stand. It knows no store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

import pydantic_core

from gateway.core import apart
from gateway.core.model import CallRecord, JsonObject
from gateway.core.record import UNSETTLED, Line, State
from gateway.errors import JournalError
from gateway.journals.payloads import Payload
from gateway.ports import CallRow

VERSION: Final = 2
RECORD_FIELDS: Final = tuple(field.name for field in fields(CallRecord))
_SIMPLE: Final = tuple(name for name in RECORD_FIELDS if name not in ("arguments", "beside"))
_simple: Final = attrgetter(*_SIMPLE)


def encode(line: Line, run: str) -> bytes:
    """The bytes of a line with nothing kept apart. Raises `JournalError` when it holds what JSON cannot say."""
    return _ascii_json(_document(line, run), line.call_id)


def write(line: Line, run: str) -> tuple[bytes, tuple[Payload, ...]]:
    """The bytes of a line as they are hashed and stay, and its payloads, which may be forgotten.

    `{"v", "call", "kind", "at", "run", "body"}`, on a first line `"record"`, and `"payloads"`: the
    commitments, by class. Raises `JournalError` when the line holds what JSON cannot say."""
    stays, parts = apart.split(_document(line, run))
    payloads = {
        kind: Payload.of(apart.CLASSES.index(kind), _ascii_json(part, line.call_id))
        for kind, part in parts.items()
    }
    if payloads:
        stays[apart.MEMBER] = {kind: payload.commitment for kind, payload in payloads.items()}
    return _ascii_json(stays, line.call_id), tuple(payloads.values())


def _document(line: Line, run: str) -> JsonObject:
    document: JsonObject = {
        "v": VERSION,
        "call": line.call_id,
        "kind": line.kind.value,
        "at": line.at,
        "run": run,
        "body": line.body,
    }
    if line.record is not None:
        document["record"] = record_members(line.record)
    return document


def record_members(record: CallRecord) -> dict[str, Any]:
    """A record as a JSON object, arguments and what stood beside them last."""
    members: dict[str, Any] = dict(zip(_SIMPLE, _simple(record), strict=True))
    members["arguments"] = dict(record.arguments)
    members["beside"] = dict(record.beside)
    return members


def _ascii_json(document: dict[str, Any], call_id: str) -> bytes:
    try:
        raw = pydantic_core.to_json(document, ensure_ascii=True, inf_nan_mode="strings")
    except pydantic_core.PydanticSerializationError:
        # Lone surrogates and depths past 255: the standard library takes both, only slower.
        raw = _slow_json(document, call_id)
    return raw.replace(b"\x7f", b"\\u007f") if b"\x7f" in raw else raw


def _slow_json(document: dict[str, Any], call_id: str) -> bytes:
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"a line of call {call_id} cannot be written as JSON: {error}") from None


def row(
    state: str, created_at: int, settled_at: int | None, first: JsonObject, last: JsonObject
) -> CallRow:
    """A call's row from its projection and its first and latest line."""
    settled = State(state) not in UNSETTLED
    return CallRow(
        record=_record(first["record"]),
        state=State(state),
        created_at=created_at,
        settled_at=settled_at,
        outcome=last["body"] if settled else {},
    )


def _record(members: Mapping[str, Any]) -> CallRecord:
    """A record of any version: members it did not have yet are empty, members of the future are left out."""
    empty: dict[str, Any] = {**dict.fromkeys(RECORD_FIELDS, ""), "arguments": {}, "beside": {}}
    return CallRecord(**{name: members.get(name, empty[name]) for name in RECORD_FIELDS})
