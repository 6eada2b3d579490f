"""The written form of a journal line: bytes made once, kept exactly, and read back into rows.

A line is one JSON object in ASCII with every control character escaped, so its bytes can be shown,
piped and hashed as they stand. It knows no store.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import pydantic_core

from gateway.core import apart
from gateway.core.model import CallRecord, JsonObject
from gateway.core.record import UNSETTLED, Line, State
from gateway.errors import JournalError
from gateway.journals.common import FIELDS, Common
from gateway.journals.payloads import Payload
from gateway.ports import CallRow

VERSION: Final = 2
_SIMPLE: Final = tuple(name for name in FIELDS if name not in ("arguments", "beside"))
_CALL: Final = b'{"v":%d,"call":' % VERSION
_RECORD: Final = b',"record":{"call_id":'
_PAYLOADS: Final = b',"%b":{' % apart.MEMBER.encode()
_CLASSES: Final = [b'"%b":"' % kind.encode() for kind in apart.CLASSES]
_simple: Final = attrgetter(*_SIMPLE)


def encode(line: Line, run: str) -> bytes:
    """The bytes of a line with nothing kept apart. Raises `JournalError` when it holds what JSON cannot say."""
    return _ascii_json(_document(line, run), line.call_id)


def write(line: Line, run: str) -> tuple[bytes, tuple[Payload, ...]]:
    """The bytes of a line as they are hashed and stay, and its payloads, which may be forgotten.

    `{"v", "call", "kind", "at", "run", "body"}`, on a first line `"record"`, and `"payloads"`: the
    commitments, by class. Raises `JournalError` when the line holds what JSON cannot say."""
    stays, parts = apart.split(_splittable(line))
    payloads = [
        Payload.of(apart.CLASSES.index(kind), _ascii_json(part, line.call_id))
        for kind, part in parts.items()
    ]
    body = _ascii_json(stays["body"], line.call_id) if line.body else b"{}"
    said = [b'%b%b,"kind":"%b","at":%d' % (_CALL, _text(line.call_id), line.kind.encode(), line.at)]
    said += b',"run":', _run(run), b',"body":', body
    if line.record is not None:
        said += _staying(line.record, whole="arguments" in stays["record"])
    if payloads:
        said += _PAYLOADS, b",".join(map(_committed, payloads)), b"}"
    said.append(b"}")
    return b"".join(said), tuple(payloads)


def _splittable(line: Line) -> JsonObject:
    """What of a line can come to be kept apart."""
    document: JsonObject = {"kind": line.kind, "body": line.body}
    if line.record is not None:
        document["record"] = {
            "arguments": dict(line.record.arguments),
            "arguments_digest": line.record.arguments_digest,
            "beside": dict(line.record.beside),
        }
    return document


def _staying(record: CallRecord, whole: bool) -> Sequence[bytes]:
    """The record's members, in order. `whole`: nothing of it is kept apart, as there are no arguments."""
    before, between, after = _common.of(record)
    digest = b',"arguments_digest":' + _text(record.arguments_digest) if whole else b""
    trace = _text(record.trace) if record.trace else b'""'
    end = b',"arguments":{},"beside":{}}' if whole else b"}"
    call = _text(record.call_id)
    return _RECORD, call, before, digest, between, b',"trace":', trace, after, end


def _committed(payload: Payload) -> bytes:
    return _CLASSES[payload.kind] + payload.commitment.encode() + b'"'


def _text(text: str) -> bytes:
    if text.isascii() and text.isalnum():
        return b'"' + text.encode() + b'"'
    return _ascii_json(text, "")


_run: Final = lru_cache(16)(_text)


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


def _ascii_json(document: Any, call_id: str) -> bytes:
    try:
        raw = pydantic_core.to_json(document, ensure_ascii=True, inf_nan_mode="strings")
    except pydantic_core.PydanticSerializationError:
        # Lone surrogates and depths past 255: the standard library takes both, only slower.
        raw = _slow_json(document, call_id)
    return raw.replace(b"\x7f", b"\\u007f") if b"\x7f" in raw else raw


def _slow_json(document: Any, call_id: str) -> bytes:
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"a line of call {call_id} cannot be written as JSON: {error}") from None


_common: Final = Common(lambda members: _ascii_json(members, ""))


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
    empty: dict[str, Any] = {**dict.fromkeys(FIELDS, ""), "arguments": {}, "beside": {}}
    return CallRecord(**{name: members.get(name, empty[name]) for name in FIELDS})
