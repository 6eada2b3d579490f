"""What of a journal line may be forgotten, kept apart from what stays for ever. Pure.

The part that stays is hashed, proven and shown to auditors: who, when, by which rule, to what end. What
quotes the call stands apart in up to three payloads, each of a class with its own time to be kept:

    arguments  what was asked, word by word, and what was said of it in words
    images     what the resources were called and held, before and after: what an undo needs
    results    what the tool server answered

The line has a salted commitment to each (journals/payloads.py), so that it proves what it said while
somebody keeps that, and tells nothing once nobody does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from gateway.core.model import JsonObject
from gateway.core.record import State
from gateway.values import Value, field

Class = Literal["arguments", "images", "results"]
CLASSES: Final[tuple[Class, ...]] = ("arguments", "images", "results")
MEMBER: Final = "payloads"
"""The line's member that has the commitments, by class."""

_BODY: Final[Mapping[str, Class]] = {
    "detail": "arguments",
    "message": "arguments",
    "request": "arguments",
    "said": "arguments",
    "why": "arguments",
    "kept": "images",
    "result": "results",
}
_UNDO: Final = frozenset({"kept", "leases", "residue", "said", "why"})
_QUOTING: Final = frozenset({*_BODY, "undo"})
_NOTED: Final = "noted"
"""What an operator said quotes no call; and a grant's line must prove itself for ever."""


def quoted(arguments: JsonObject, digest: str, beside: JsonObject) -> JsonObject:
    """What of a record stands apart, when there are arguments or something beside them."""
    return {"record": {"arguments": arguments, "arguments_digest": digest, "beside": beside}}


def split_body(line: str, body: JsonObject, apart: dict[Class, JsonObject]) -> JsonObject:
    """What of the body of a line of this kind stays; the rest is put into `apart`."""
    if _QUOTING.isdisjoint(body) or line == _NOTED:
        return body
    stays: JsonObject = {}
    for name, said in body.items():
        kind = _BODY.get(name)
        if kind is not None:
            apart.setdefault(kind, {}).setdefault("body", {})[name] = said
        elif name == "undo" and isinstance(said, dict):
            rest = {**said}
            quoting = {member: rest.pop(member) for member in filter(_UNDO.__contains__, said)}
            if any(quoting.values()):
                apart.setdefault("images", {})["undo"] = quoting
                stays[name] = rest
            else:
                stays[name] = said
        else:
            stays[name] = said
    return stays


def whole(document: JsonObject, apart: Mapping[Class, JsonObject]) -> JsonObject:
    """The line as it was, from what stays and the payloads that are still there."""
    made = dict(document)
    for part in apart.values():
        if "record" in part:
            made["record"] = {**made["record"], **part["record"]}
        if "body" in part:
            made["body"] = {**made["body"], **part["body"]}
        if "undo" in part:
            made["body"] = {**made["body"], "undo": {**made["body"]["undo"], **part["undo"]}}
    return made


def lost(document: JsonObject, apart: Mapping[Class, Any]) -> frozenset[Class]:
    """The classes this line had, and that nobody keeps any longer."""
    return frozenset(kind for kind in document.get(MEMBER, {}) if kind not in apart)


def forgotten(document: JsonObject, apart: Mapping[Class, JsonObject]) -> JsonObject:
    """The same, with what is lost said to be so: as a value of which only a commitment was kept."""
    made = whole(document, apart)
    if "arguments" in lost(document, apart) and "record" in made:
        gone = {"redacted": document[MEMBER]["arguments"]}
        made["record"] = {**made["record"], "arguments": gone}
    return made


class Filed(NamedTuple):
    """One line as it lies there, whatever it is filed as: nothing of it is believed."""

    seq: int
    call_id: str
    kind: str
    at: int
    body: bytes


class EventRow(Value):
    """One line as stored: `body` is the exact bytes that stay."""

    seq: int
    call_id: str
    kind: State
    at: int
    body: bytes
    payloads: Mapping[Class, JsonObject] = field(default_factory=dict)
    """As far as the reader opened them and somebody still keeps them."""

    @property
    def said(self) -> JsonObject:
        """The whole line, parsed; what was forgotten of it is not there."""
        return forgotten(json.loads(self.body), self.payloads)

    @property
    def lost(self) -> frozenset[Class]:
        """The classes of its payloads that were forgotten, or not opened."""
        return lost(json.loads(self.body), self.payloads)
