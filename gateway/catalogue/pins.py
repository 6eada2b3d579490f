"""What an operator approved: `<policies>/pins/<server>.json`, a file a person can review in git.

Per kind and native name it holds the digest, who approved when, and the whole approved descriptor.
Read strictly: a descriptor that was edited without its digest, an unknown key, a name twice or a
server bulkhead.yaml does not have stops the gateway. It knows no server and no clock.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, cast

from gateway.catalogue import itself
from gateway.catalogue.canonical import digest
from gateway.catalogue.names import name_all
from gateway.catalogue.text import spelt_out
from gateway.config.yamlfile import text_of
from gateway.core.model import JsonObject, Kind, Target
from gateway.core.resolve import KINDS, ListKind
from gateway.errors import Misconfigured, Where
from gateway.files import whole
from gateway.files.listing import named
from gateway.values import Value, as_plain, field, replace

DIRECTORY: Final = "pins"
MAX_BYTES: Final = 32 * 1024 * 1024
_PINNED: Final[tuple[Kind, ...]] = (*KINDS, "about")
MOST: Final = 1_024
"""Files that are kept as they were read."""
_PIN_KEYS: Final = frozenset({"digest", "approved_at", "approved_by", "descriptor"})


class Pin(Value):
    """One approved descriptor. `approved_at` is RFC 3339, UTC; `approved_by` is for people."""

    digest: str
    approved_at: str
    approved_by: str
    descriptor: JsonObject


class Pins(Value):
    """All approved descriptors of all servers, as the files had them when they were read."""

    directory: Path
    by_target: Mapping[Target, Pin] = field(default_factory=dict)

    def of(self, server: str) -> dict[Target, Pin]:
        """The pins of one server."""
        return {target: pin for target, pin in self.by_target.items() if target.server == server}

    def by_server(self) -> dict[str, dict[Target, Pin]]:
        """The same of every server that has any."""
        found: dict[str, dict[Target, Pin]] = {}
        for target, pin in self.by_target.items():
            found.setdefault(target.server, {})[target] = pin
        return found

    def having(self, approved: Mapping[Target, Pin]) -> Pins:
        """These pins with some added or replaced. The files are as they were: see `save`."""
        return replace(self, by_target={**self.by_target, **approved})

    def without(self, dropped: Collection[Target]) -> Pins:
        """These pins less some."""
        kept = {t: pin for t, pin in self.by_target.items() if t not in dropped}
        return replace(self, by_target=kept)


def load(policy_dir: Path, servers: Collection[str]) -> Pins:
    """Every pin file under `policy_dir`. Raises `Misconfigured` at file and line.

    No directory means nothing is approved yet.
    """
    found, problem = again(Pins(policy_dir / DIRECTORY), servers)
    if problem is not None:
        raise problem
    return found


def again(before: Pins, servers: Collection[str]) -> tuple[Pins, Misconfigured | None]:
    """The pins as the files have them now, each file by itself, and the fault of the first that is not right: what
    that file said before stays. So what is withdrawn in one file is withdrawn whatever another one says.

    Raises `Misconfigured` for names that cannot be told apart."""
    directory, by_target = before.directory, dict[Target, Pin]()
    problem: Misconfigured | None = None
    for path in sorted(named(directory, ".json")):
        try:
            by_target.update(_read(path, servers))
        except Misconfigured as error:
            problem = problem or error
            by_target.update(before.of(path.stem))
    for target, why in name_all(by_target).collisions.items():
        raise Misconfigured(why, Where(str(directory / f"{target.server}.json")))
    return Pins(directory, by_target), problem


def save(pins: Pins, server: str) -> Path:
    """Write one server's file, whole or not at all. Raises `Misconfigured` when it cannot be written."""
    path = pins.directory / f"{server}.json"
    tree: dict[str, Any] = {"server": server}
    mine = sorted(pins.of(server).items(), key=lambda item: item[0].name)
    for kind in _PINNED:
        rows = {target.name: as_plain(pin) for target, pin in mine if target.kind == kind}
        if rows:
            tree[kind] = rows
    text = spelt_out(json.dumps(tree, indent=2, ensure_ascii=False)) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole.replace(path, text.encode(), 0o644)
    except OSError as error:
        raise Misconfigured(f"cannot write: {error.strerror}", Where(str(path))) from None
    return path


def _read(path: Path, servers: Collection[str]) -> Mapping[Target, Pin]:
    text = text_of(path, MAX_BYTES)
    pins = _again(path, text)
    if path.stem not in servers:
        raise Misconfigured(
            f"no server {path.stem!r} in bulkhead.yaml",
            _at(path, text, "server"),
            "added since the gateway started? restart it; gone for good? remove the file",
        )
    return pins


_KEPT: Final[dict[Path, tuple[str, Mapping[Target, Pin]]]] = {}
"""What each file said when it was last read, and what that means. Not what it said before: each approval writes all of
its server's descriptors anew."""


def _again(path: Path, text: str) -> Mapping[Target, Pin]:
    """What one file says. At its start a gateway reads the same for more than one end, later all for one change."""
    known = _KEPT.get(path)
    if known is None or known[0] != text:
        known = _KEPT[path] = text, _pins(path, text)
        if len(_KEPT) > MOST:
            del _KEPT[next(iter(_KEPT))]
    return known[1]


def _pins(path: Path, text: str) -> Mapping[Target, Pin]:
    tree = _tree(path, text)
    server = tree.pop("server", None)
    if server != path.stem:
        raise Misconfigured(f"server must be {path.stem!r}", _at(path, text, "server"))
    pins: dict[Target, Pin] = {}
    for kind, rows in tree.items():
        if kind not in _PINNED:
            raise Misconfigured(f"{kind}: unknown key", _at(path, text, kind))
        if not isinstance(rows, dict):
            raise Misconfigured(f"{kind}: must be an object", _at(path, text, kind))
        for name, row in rows.items():
            pins[Target(server, kind, name)] = _pin(path, text, kind, name, row)
    return pins


def _pin(path: Path, text: str, kind: Kind, name: str, row: object) -> Pin:
    label = f"{kind}.{name}"
    if not isinstance(row, dict):
        raise Misconfigured(f"{label}: must be an object", _at(path, text, kind, name))
    for key in row.keys() - _PIN_KEYS:
        raise Misconfigured(f"{label}.{key}: unknown key", _at(path, text, kind, name, key))
    for key in sorted(_PIN_KEYS - row.keys()):
        raise Misconfigured(f"{label}.{key}: missing", _at(path, text, kind, name))
    words = (row["digest"], row["approved_at"], row["approved_by"])
    descriptor = row["descriptor"]
    if not isinstance(descriptor, dict) or not all(isinstance(word, str) for word in words):
        raise Misconfigured(f"{label}: not a pin", _at(path, text, kind, name))
    if _named(kind, descriptor) != name:
        raise Misconfigured(
            f"{label}: the descriptor is of something else", _at(path, text, kind, name)
        )
    if digest(descriptor) != row["digest"]:
        raise Misconfigured(
            f"{label}: the descriptor does not match its digest",
            _at(path, text, kind, name, "digest"),
            "approve it again, never edit it",
        )
    return Pin(*words, descriptor)


def _named(kind: Kind, descriptor: JsonObject) -> object:
    """Whose descriptor it is, by its own words."""
    return itself.NAME if kind == "about" else descriptor.get(KINDS[cast(ListKind, kind)].member)


def _tree(path: Path, text: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise Misconfigured(f"{twice}: stands here twice", _at(path, text, twice))
        return members

    try:
        tree = json.loads(text, object_pairs_hook=once)
        digest(tree)
    except json.JSONDecodeError as error:
        raise Misconfigured(f"not JSON: {error.msg}", Where(str(path), error.lineno)) from None
    except (ValueError, RecursionError) as error:
        raise Misconfigured(f"not JSON: {error}", Where(str(path))) from None
    if not isinstance(tree, dict):
        raise Misconfigured("must be an object", Where(str(path), 1))
    return tree


def _at(path: Path, text: str, *keys: str) -> Where:
    """The line of the last of these member names, each looked for after the one before it."""
    found = 0
    for key in keys:
        spelt = spelt_out(json.dumps(key, ensure_ascii=False)) + ":"
        place = text.find(spelt, found)
        if place < 0:
            break
        found = place
    return Where(str(path), text.count("\n", 0, found) + 1)
