"""The written form of a journal line: bytes made once, kept exactly, and read back into rows.

A line is one JSON object in ASCII with every control character escaped, so its bytes can be shown,
piped and hashed as they stand. It knows no store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import msgspec
import pydantic_core

from gateway.core import apart
from gateway.core.describe import whole
from gateway.core.model import CallRecord, JsonObject, Own
from gateway.core.record import UNSETTLED, WORDS, Line, State
from gateway.errors import JournalError
from gateway.journals.common import FIELDS, MOST, Common, Texts
from gateway.journals.payloads import Payload
from gateway.made import Made
from gateway.ports import CallRow

VERSION: Final = 2
_SIMPLE: Final = tuple(name for name in FIELDS if name not in ("arguments", "beside"))
_DEL: Final = 0x7F
"""The byte, as a number: see protect.py. Where more than one is looked for, `find` costs no error."""
_PLACES: Final = {name: place for place, name in enumerate(apart.CLASSES)}
SEARCHED: Final = frozenset({"agent", "server", "tier", "task", "grant"})
"""What of a record calls are looked for by."""
_CALL: Final = f'{{"v":{VERSION},"call":'
_KIND: Final = {state: f',"kind":"{word}","at":' for state, word in WORDS.items()}
_RECORD: Final = ',"record":{"call_id":'
_UNMET: Final = ',"trace":"","session":""'
_TOLD: Final = f',"{apart.MEMBER}":{{'
_OK: Final = {"outcome": "ok"}
_OK_SAID: Final = '{"outcome":"ok"}}'
"""And the line's end."""
_CONSTANT: Final = re.compile("NaN|Infinity")
"""What may be no number in JSON, or only a word in a text."""
_simple: Final = attrgetter(*_SIMPLE)
_encode: Final = msgspec.json.Encoder().encode


def encode(line: Line, run: str) -> bytes:
    """The bytes of a line with nothing kept apart. Raises `JournalError` when it holds what JSON cannot say."""
    return _ascii_json(_document(line, run), line.call_id)


def write(line: Line, run: str) -> tuple[str, Sequence[Payload]]:
    """A line as it is hashed and stays, in ASCII, and its payloads, which may be forgotten.

    `{"v", "call", "kind", "at", "run", "body"}`, on a first line `"record"`, and `"payloads"`: the
    commitments, by class. Raises `JournalError` when the line holds what JSON cannot say."""
    call, body, record = _text(line.call_id), line.body, line.record
    begun = f"{_CALL}{call}{_KIND[line.kind]}{line.at}{_run(run)}"
    if body == _OK and record is None:
        return begun + _OK_SAID, ()  # most later lines
    parts: dict[apart.Class, JsonObject] = {}
    if record is None:
        staying = ""
    elif line.own is None:
        staying = _staying(_common.of(record), _own(record), call, parts)
    else:
        staying = _staying(_again.of(record), line.own, call, parts)
    said = "{}"
    if body:
        said = _ascii_json(apart.split_body(line.kind, body, parts), call).decode()
    if not parts:
        return f"{begun}{said}{staying}}}", ()
    payloads: list[Payload] = []
    told = _TOLD
    for name, part in parts.items():
        payload = Payload.of(_PLACES[name], _ascii_json(part, call))
        payloads.append(payload)
        told += f'"{name}":"{payload.commitment}",'
    return f"{begun}{said}{staying}{told[:-1]}}}}}", payloads


def _staying(common: Texts, own: Own, call: str, parts: dict[apart.Class, JsonObject]) -> str:
    """The record's members that stay, in order; what quotes the call is put into `parts`."""
    before, between, after = common
    arguments, digest, beside = own.arguments, own.arguments_digest, own.beside
    met = _UNMET
    if own.trace or own.session:
        met = f',"trace":{_text(own.trace)},"session":{_text(own.session)}'
    if arguments or beside:
        parts["arguments"] = apart.quoted(arguments, digest, beside)
        return f"{_RECORD}{call}{before}{between}{met}{after}}}"
    first, last = f',"arguments_digest":{_text(digest)}', ',"arguments":{},"beside":{}'
    return f"{_RECORD}{call}{before}{first}{between}{met}{after}{last}}}"


def _own(record: CallRecord) -> Own:
    arguments, beside = dict(record.arguments), dict(record.beside)
    return Own(arguments, record.arguments_digest, beside, record.trace, record.session)


def _text(text: str) -> str:
    if text.isascii() and text.encode().isalnum():  # a text looks each character up
        return f'"{text}"'
    return _ascii_json(text, "").decode()


@lru_cache(16)
def _run(run: str) -> str:
    return f',"run":{_text(run)},"body":'


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
        document["record"] = record_members(whole(line.call_id, line.record, line.own))
    return document


def record_members(record: CallRecord) -> dict[str, Any]:
    """A record as a JSON object, arguments and what stood beside them last."""
    members: dict[str, Any] = dict(zip(_SIMPLE, _simple(record), strict=True))
    members["arguments"] = dict(record.arguments)
    members["beside"] = dict(record.beside)
    return members


def _ascii_json(document: Any, call_id: str) -> bytes:
    try:
        raw = _encode(document)
    except (TypeError, ValueError, RecursionError):
        raw = b""
    # A null may stand for what is no number.
    if not raw or not raw.isascii() or raw.find(b"null") >= 0:
        raw = _careful_json(document, call_id)
    return raw.replace(b"\x7f", b"\\u007f") if _DEL in raw else raw


def _careful_json(document: Any, call_id: str) -> bytes:
    """Of what is not plain ASCII, with what is no number in words."""
    try:
        return pydantic_core.to_json(document, ensure_ascii=True, inf_nan_mode="strings")
    except pydantic_core.PydanticSerializationError:
        # Lone surrogates and depths past 255: the standard library takes both, only slower.
        return _slow_json(document, call_id)


def _slow_json(document: Any, call_id: str) -> bytes:
    try:
        text = json.dumps(document, separators=(",", ":"))
        if _CONSTANT.search(text):
            named = json.loads(text, parse_constant=str)
            text = json.dumps(named, separators=(",", ":"), allow_nan=False)
        return text.encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"a line of call {call_id} cannot be written as JSON: {error}") from None


def _staying_members(members: Mapping[str, str]) -> str:
    """Raises `JournalError` when one that calls are looked for by cannot stand in a column."""
    for name in SEARCHED & members.keys():
        try:
            if b"\0" in members[name].encode():
                raise JournalError(f"the {name} of a call cannot be looked for: it holds a NUL")
        except UnicodeEncodeError as error:
            raise JournalError(f"the {name} of a call cannot be looked for: {error}") from None
    return _ascii_json(members, "").decode()


_common: Final = Common(_staying_members)
_again: Final = Made(_common.of, MOST)
"""Of records without anything of their own: the very same one comes again."""


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
