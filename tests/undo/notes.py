"""A server of notes with a companion, as descriptors: what packs in these tests are written for."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gateway.catalogue.canonical import digest
from gateway.catalogue.pins import Pin
from gateway.core.model import JsonObject, Outcome, Target
from gateway.core.reverse import Reversal
from gateway.settings import ServerSettings
from gateway.undo import packs
from gateway.undo.packs import Packs
from gateway.undo.toolpack import ToolPack

TEXT = {"type": "string"}


def tool(
    name: str, needs: Mapping[str, Any], gives: JsonObject | None = None, **more: Any
) -> JsonObject:
    schema = {"type": "object", "properties": {**needs, **more}, "required": list(needs)}
    return {"name": name, "inputSchema": schema, **({"outputSchema": gives} if gives else {})}


NOTE = {
    "type": "object",
    "properties": {"body": TEXT, "tags": {"type": "array", "items": TEXT}},
    "required": ["body"],
}
LOGIN = {"type": "object", "properties": {"user": TEXT, "password": TEXT}}
TOOLS = [
    tool("get_note", {"id": TEXT}, NOTE),
    tool("put_note", {"id": TEXT, "body": TEXT}, login=LOGIN),
    tool("drop_note", {"id": TEXT}),
]
COMPANION = [
    tool("read_record", {"key": TEXT}),
    tool("put_record", {"key": TEXT, "value": {"type": "object"}, "expect": TEXT}),
    tool("delete_record", {"key": TEXT, "expect": TEXT}),
]
DIGESTS = {each["name"]: digest(each) for each in TOOLS}

PACK = f"""\
undo_pack: 1
server:
  name: notes
  versions: ">=1,<2"
  tools:
    get_note: {DIGESTS["get_note"]}
    put_note: {DIGESTS["put_note"]}
    drop_note: {DIGESTS["drop_note"]}
reads:
  note:
    tool: get_note
    failed_when: matches(read.text, '^Database error')
    absent_when: read.is_error && matches(read.text, 'not found')
    other_when: read.is_error && matches(read.text, 'a folder')
    take: {{body: "${{read.structured.body}}"}}
    schema: {{type: object, required: [body], properties: {{body: {{type: string}}}}}}
    max_bytes: 100
tools:
  put_note:
    keys: ["note:/${{segment(args.id)}}"]
    capture:
      note: {{use: note, arguments: {{id: "${{args.id}}"}}}}
    failed_when: matches(result.text, '^Sorry')
    cases:
      - when: absent(pre.note)
        level: exact
        strategy: inverse
        inverse: [{{tool: drop_note, arguments: {{id: "${{args.id}}"}}, idempotent: true}}]
      - when: present(pre.note)
        level: exact
        strategy: restore
        residue: [the time of the note]
        inverse:
          - tool: put_note
            arguments: {{id: "${{args.id}}", body: "${{pre.note.body}}"}}
            if: post.note.body != pre.note.body
    guard: {{compare: post, strength: locked-check}}
    predict_post: {{note: {{body: "${{args.body}}"}}}}
    undo_window: 30d
"""


def pins(tools: Collection[JsonObject] = TOOLS, server: str = "notes") -> dict[Target, Pin]:
    return {Target(server, "tool", each["name"]): Pin(digest(each), "", "", each) for each in tools}


def servers(companion: bool = False, **undo: str) -> dict[str, ServerSettings]:
    made = {"notes": ServerSettings(command=("notes",), undo=undo)}
    if companion:
        made["notes-undo"] = ServerSettings(command=("notes-undo",), companion_of="notes")
    return made


def load(
    place: Path,
    text: str = PACK,
    *,
    name: str = "notes",
    having: Mapping[str, ServerSettings] | None = None,
    approved: Mapping[Target, Pin] | None = None,
    redacted: Mapping[Target, Collection[str]] | None = None,
) -> Packs:
    """The packs of a policy directory that holds this one."""
    (place / "undo").mkdir(exist_ok=True)
    (place / "undo" / f"{name}.yaml").write_text(textwrap.dedent(text))
    return packs.load(
        place,
        servers() if having is None else having,
        pins() if approved is None else approved,
        redacted,
    )


def found(packs: Packs, name: str = "put_note", version: str | None = "1.2") -> ToolPack | Reversal:
    return packs.find(Target("notes", "tool", name), version)


def pack(place: Path, text: str = PACK, **given: Any) -> ToolPack:
    """The pack of `put_note`, which must be there."""
    answer = found(load(place, text, **given))
    assert isinstance(answer, ToolPack), answer.why
    return answer


def answered(text: str = "", structured: JsonObject | None = None, error: bool = False) -> Outcome:
    """A tool's answer."""
    result: JsonObject = {"content": [{"type": "text", "text": text}], "isError": error}
    if structured is not None:
        result["structuredContent"] = structured
    return Outcome("tool_error" if error else "ok", result)
