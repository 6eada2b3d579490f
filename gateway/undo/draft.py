"""A first undo pack for a server, from what it and its companion say of themselves: a text to correct.

With a companion of `gateway.undo.companion` that can list its records (store_state) the draft is a whole
pack that needs no correcting to be right: what a call changed is found by comparing. With one that reads
single records (read_record, put_record, delete_record) every record is captured and written back. Without
one it captures what a read of the server gives and claims nothing: level none, with the tools that look
like inverses named in a comment. What a server says of itself is a suggestion and never believed:
nothing here raises a level by itself. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from gateway.core.model import JsonObject
from gateway.values import Value

_READING: Final = re.compile(
    r"(get|read|list|search|find|show|fetch|describe|count|view)(_|-|$|[A-Z])|query(_|-|[A-Z])"
)
"""A tool that is called `query` and no more takes any statement, and most statements can write."""
_RECORD_VERBS: Final = re.compile(
    r"(create|add|insert|new|update|edit|set|put|write|save|store|patch|replace|rename|append|upsert|delete|remove|drop|destroy|erase)"
    r"(_|-|$|[A-Z])"
)
"""A tool that begins so writes a record, as far as its name says. Whatever else it is, it may do more."""
_KEYS: Final = ("id", "key", "name", "path", "slug", "uri", "url", "title")
_OPPOSITE: Final[Mapping[str, tuple[str, ...]]] = {
    "create": ("delete", "remove", "drop"),
    "add": ("remove", "delete"),
    "insert": ("delete", "remove"),
    "put": ("drop", "delete", "remove"),
    "delete": ("create", "add", "restore"),
    "drop": ("put", "create", "restore"),
    "remove": ("add", "create"),
    "update": ("update",),
    "set": ("set", "unset"),
    "enable": ("disable",),
    "disable": ("enable",),
    "open": ("close",),
    "close": ("open", "reopen"),
    "archive": ("unarchive", "restore"),
}


class Offered(Value):
    """What one server says of itself: `serverInfo`, and its tools with their digests."""

    name: str
    version: str
    tools: Sequence[tuple[JsonObject, str]]

    def tool(self, name: str) -> JsonObject | None:
        return next((tool for tool, _ in self.tools if tool["name"] == name), None)


def draft(server: str, offered: Offered, companion: Offered | None) -> str:
    """The YAML of a pack that loads. `server`: its id in bulkhead.yaml. Raises `ValueError` when no
    tool of it changes anything as far as it says."""
    tools = [tool for tool, _ in offered.tools]
    writing = [tool for tool in tools if not is_reading(tool)]
    if not writing:
        raise ValueError("none of its tools says that it changes anything")
    if companion is not None and companion.tool("store_state") is not None:
        return _compared(server, offered, writing)
    records = companion is not None and companion.tool("read_record") is not None
    entries, reads, silent = _entries(server, writing, tools, companion if records else None)
    if not entries:
        raise ValueError("nothing reads what its tools change: give it a companion, then ask again")
    used = {name for name, _ in entries} | {read for read in reads if read != "record"}
    lines = _pinned(server, offered, used)
    lines += ["", "reads:", *(line for read in reads.values() for line in read)]
    lines += ["", "tools:", *(line for _, entry in entries for line in entry)]
    lines += [
        f"  # {_text(n)}: nothing known tells what it changes; level unknown." for n in silent
    ]
    return "\n".join(lines) + "\n"


def _pinned(server: str, offered: Offered, used: Collection[str]) -> list[str]:
    """A pack's beginning: which server, and which of its tools."""
    lines = [_HEAD.format(server=server), "undo_pack: 1", "", "server:"]
    lines += [
        f"  name: {_text(offered.name)}",
        f"  versions: {_text(_only(offered.version))}",
        "  tools:",
    ]
    return lines + [
        f"    {_text(t['name'])}: {digest}" for t, digest in offered.tools if t["name"] in used
    ]


def _only(version: str) -> str:
    """What fits a server that calls itself this, and no other. Raises `ValueError`."""
    for fitting in (f"=={version}", f"==={version}"):
        with suppress(InvalidSpecifier):
            if SpecifierSet(fitting).contains(version, prereleases=True):
                return fitting
    raise ValueError(f"it calls its version {version!r}, which no pack can name")


def _compared(server: str, offered: Offered, writing: Sequence[JsonObject]) -> str:
    """Every tool by what it changed; those that reach further by their name, as compensable."""
    names = [str(tool["name"]) for tool in writing]
    lines = [*_pinned(server, offered, names), "", *_RECORDS]
    lines += [f"  {_text(name)}: {_OUTWARD if _reaches(name) else '{}'}" for name in names]
    return "\n".join(lines) + "\n"


_RECORDS: Final = """\
# What a call of these changed is found by comparing all records before and after it, and put back.
# What it does beyond the records (mails, payments, other systems) is not: such a tool is compensable, or left out.
records:""".splitlines()
_OUTWARD: Final = '{level: compensable, residue: ["what it told or sent to others"]}'
_FURTHER: Final = re.compile(
    r"(?i)(^|_|-)(send|mail|email|notify|message|sms|post|publish|share|invite|pay|charge|refund|transfer|call)(_|-|$)"
)


def _reaches(name: str) -> bool:
    return _FURTHER.search(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)) is not None


_HEAD: Final = """\
# Proposed by `bulkhead undo draft {server}` from what the server says of itself. Nothing here is true because
# it was proposed: read what each tool really does, correct it, then `bulkhead undo check` and
# `bulkhead undo certify {server}`. Until it is certified no call of it is more than compensable."""

Entry = list[str]


def _entries(
    server: str,
    writing: Sequence[JsonObject],
    tools: Sequence[JsonObject],
    companion: Offered | None,
) -> tuple[list[tuple[str, Entry]], dict[str, Entry], list[str]]:
    entries: list[tuple[str, Entry]] = []
    reads: dict[str, Entry] = {}
    silent: list[str] = []
    for tool in writing:
        key, name = _key(tool), str(tool["name"])
        read = None if key is None else _reader(key, tools)
        if key is not None and companion is not None and _RECORD_VERBS.match(name):
            reads["record"] = _RECORD
            entries.append((name, _with_companion(server, name, key, companion)))
        elif key is not None and read is not None:
            reads[str(read["name"])] = _read(read)
            entries.append((name, _alone(server, name, key, read, tools)))
        else:
            silent.append(name)
    return entries, reads, silent


def is_reading(tool: JsonObject) -> bool:
    """As far as its annotations, or else its name, say."""
    hints = tool.get("annotations") or {}
    if isinstance(hints.get("readOnlyHint"), bool):
        return bool(hints["readOnlyHint"])
    return _READING.match(str(tool["name"])) is not None


def _required(tool: JsonObject) -> list[str]:
    """Its required text arguments, those that look like a name first."""
    schema = tool.get("inputSchema") or {}
    properties = schema.get("properties") or {}
    texts = [
        n for n in schema.get("required") or () if (properties.get(n) or {}).get("type") == "string"
    ]
    plain = [n for n in texts if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", n)]
    return sorted(plain, key=lambda n: next((i for i, k in enumerate(_KEYS) if k in n.lower()), 99))


def _key(tool: JsonObject) -> str | None:
    """The argument that says which thing a call changes."""
    found = _required(tool)
    return found[0] if found else None


def _reader(key: str, tools: Sequence[JsonObject]) -> JsonObject | None:
    """A tool that reads one thing by the same argument, and needs nothing else."""
    for tool in tools:
        required = (tool.get("inputSchema") or {}).get("required") or []
        if is_reading(tool) and required == [key]:
            return tool
    return None


def _text(value: str) -> str:
    return json.dumps(value)


_RECORD: Final = """\
  record:
    tool: read_record
    on: companion
    absent_when: "read.is_error && matches(read.text, '^ABSENT:')"
    take: {state: "${read.structured.state}", value: {$eval: read.structured.value}}
    schema:
      type: object
      required: [state, value]
      properties: {state: {type: string}, value: {type: object}}""".splitlines()


def _read(tool: JsonObject) -> Entry:
    structured = isinstance(tool.get("outputSchema"), dict)
    take = "{$eval: read.structured}" if structured else '{text: "${read.text}"}'
    return [
        f"  {_text(str(tool['name']))}:",
        f"    tool: {_text(str(tool['name']))}",
        "    # What does it answer when there is nothing? Say so, or a missing thing is a failed capture:",
        "    # absent_when: \"read.is_error && matches(read.text, 'not found')\"",
        f"    take: {take}",
        "    schema: {type: object}          # as narrow as it is: a null or an error text must not fit",
    ]


def _start(server: str, name: str, key: str, read: str, asked: str) -> Entry:
    """`read`: which takes the value of `key` as its argument `asked`."""
    captured = f'{{use: {_text(read)}, arguments: {{{asked}: "${{args.{key}}}"}}}}'
    return [
        f"  {_text(name)}:",
        f'    keys: ["{server}:/record/${{segment(args.{key})}}"]',
        f"    capture: {{record: {captured}}}",
        "    cases:",
    ]


def _with_companion(server: str, name: str, key: str, companion: Offered) -> Entry:
    lines = _start(server, name, key, "record", "key")
    if companion.tool("delete_record") is not None:
        lines += [
            "      - when: absent(pre.record)",
            "        level: exact",
            "        strategy: companion",
            "        inverse:",
            "          - tool: delete_record",
            "            on: companion",
            "            idempotent: true",
            f'            arguments: {{key: "${{args.{key}}}", expect: "${{post.record.state}}"}}',
        ]
    expect = "${post.record.state}"
    if companion.tool("put_record") is not None:
        lines += [
            "      - when: present(pre.record)",
            "        level: exact",
            "        strategy: restore",
            "        inverse:",
            "          - tool: put_record",
            "            on: companion",
            "            idempotent: true",
            "            arguments:",
            f'              key: "${{args.{key}}}"',
            "              value: {$eval: pre.record.value}",
            "              # What the call deleted is put back from nothing.",
            f'              expect: {{$if: absent(post.record), then: absent, else: "{expect}"}}',
        ]
    return [*lines, "    guard: {compare: post, strength: cas}", "    undo_window: 30d"]


def _alone(
    server: str, name: str, key: str, read: JsonObject, tools: Sequence[JsonObject]
) -> Entry:
    likely = ", ".join(map(_text, _opposites(name, tools))) or "none by its name"
    return [
        *_start(server, name, key, str(read["name"]), key),
        f"      # Tools that may take it back: {likely}. A case that says how comes before this one.",
        '      - {when: "true", level: none, strategy: none}',
        "    guard: {compare: post, strength: locked-check}",
        "    undo_window: 30d",
    ]


def _opposites(name: str, tools: Sequence[JsonObject]) -> list[str]:
    words = re.split(r"[_-]", name)
    found: list[str] = []
    for index, word in enumerate(words):
        for opposite in _OPPOSITE.get(word.lower(), ()):
            wanted = "_".join([*words[:index], opposite, *words[index + 1 :]]).lower()
            names = (str(tool["name"]) for tool in tools)
            found += [each for each in names if each.replace("-", "_").lower() == wanted]
    return found
