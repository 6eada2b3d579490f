"""The files, directories, databases and sockets a server works on: copied for trying, and looked at by us.

A place is moved wherever the settings of a server name it: in its command, its environment, its working
directory and its pack's values. Databases are seen as their rows, JSON files as their values, everything
else as bytes. It knows no tool and no server.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gateway.certify.files import look
from gateway.errors import Misconfigured
from gateway.settings import EnvironmentRule, ServerSettings
from gateway.values import Value

_SQLITE: Final = b"SQLite format 3\0"
_BESIDE_SQLITE: Final = ("-wal", "-shm", "-journal")
_RELATIVE: Final = re.compile(r"(?P<option>-[\w-]+=)?(?P<path>[^-/].*)")


class Places(Value):
    """Paths of the real world -> what a scratch world begins with there."""

    seeds: Mapping[Path, Path]

    @classmethod
    def of(cls, words: Sequence[str]) -> Places:
        """`PATH`, or `PATH=SEED`: a scratch world begins with a copy of the one or the other."""
        pairs = [word.partition("=") for word in words]
        return cls(
            {Path(path).absolute(): Path(seed or path).absolute() for path, _, seed in pairs}
        )

    @property
    def names(self) -> list[str]:
        """Of those that can be looked at."""
        return [place.name for place, seed in self.seeds.items() if not seed.is_socket()]

    def in_(self, world: Path) -> list[Path]:
        """Where they are on this scratch world, in order."""
        return [world / str(number) / place.name for number, place in enumerate(self.seeds)]

    def copied(self, world: Path) -> None:
        """Each with its beginning, once."""
        for seed, place in zip(self.seeds.values(), self.in_(world), strict=True):
            place.parent.mkdir(exist_ok=True)
            if place.exists():
                continue
            if seed.is_dir():
                shutil.copytree(seed, place, symlinks=True)
            elif seed.is_file():
                shutil.copy2(seed, place)
                for end in _BESIDE_SQLITE:
                    beside = seed.with_name(seed.name + end)
                    if beside.exists():
                        shutil.copy2(beside, place.with_name(place.name + end))

    def moved(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        """The server on this scratch world. Raises `Misconfigured` for one in which no place is named."""
        if settings.command is None:
            raise Misconfigured(
                f"{name} is not started by us: nobody can tell its world from a scratch one",
                hint="give it a command for certifying, or a ground of your own",
            )
        to = self._to(world)
        here = settings.cwd or str(Path.cwd())

        def each(word: str) -> str:
            return _moved(_absolute(word, here, to), to)

        first, *words = settings.command
        command = (_moved(first, to), *map(each, words))
        variables = {name: each(value) for name, value in settings.environment.set.items()}
        cwd = _moved(here, to)
        before = (settings.command, settings.environment.set, here)
        if (command, variables, cwd) == before:
            raise Misconfigured(
                f"{name} would be started on its real world: neither its command, its environment nor "
                f"its cwd names {' or '.join(to)}",
                hint="--world PATH, for each path it works on; a socket is one, too",
            )
        undo = {name: each(value) for name, value in settings.undo.items()}
        rule = EnvironmentRule(inherit=settings.environment.inherit, set=variables)
        return settings.model_copy(
            update={"command": command, "environment": rule, "undo": undo, "cwd": cwd}
        )

    def instead(self, value: Any, world: Path) -> Any:
        """The same JSON with the scratch world's place wherever a text of it names a real one: a server that is
        told paths by its calls goes where they lead."""
        if isinstance(value, str):
            return _moved(value, self._to(world))
        if isinstance(value, Mapping):
            return {name: self.instead(each, world) for name, each in value.items()}
        return [self.instead(each, world) for each in value] if isinstance(value, list) else value

    def _to(self, world: Path) -> dict[str, str]:
        return dict(zip(map(str, self.seeds), map(str, self.in_(world)), strict=True))

    def seen(self, world: Path) -> dict[str, str]:
        """All there is."""
        return {
            f"{place.name}: {part}": each
            for place in self.in_(world)
            for part, each in _on_disk(place).items()
        }


def _moved(word: str, to: Mapping[str, str]) -> str:
    """Wherever a place is named as a whole, or as the beginning of a path below it."""
    for place, scratch in to.items():
        named = re.compile(rf"(?<![\w.-]){re.escape(place.rstrip('/'))}(?![\w.-])")
        word = scratch.join(named.split(word))
    return word


def _absolute(word: str, here: str, to: Mapping[str, str]) -> str:
    """A path that is a place's when read from the working directory, spelt out; other words as they are."""
    found = _RELATIVE.fullmatch(word)
    if found is None:
        return word
    path = os.path.normpath(os.path.join(here, found["path"]))
    meant = "/" in found["path"] or os.path.exists(path)
    below = meant and any(path.startswith(f"{place}/") for place in to)
    return (found["option"] or "") + path if path in to or below else word


def _on_disk(place: Path) -> dict[str, str]:
    if place.is_file():
        return _in_file(place, "")
    if not place.is_dir():
        return {}
    seen = look(place)
    for name in sorted(seen):
        path = place / name
        if not path.is_file() or path.is_symlink():
            continue
        base = next((name.removesuffix(end) for end in _BESIDE_SQLITE if name.endswith(end)), name)
        if base != name and _is_sqlite(place / base):
            seen.pop(name)  # what it holds is among the rows
        elif _is_sqlite(path) or name.endswith(".json"):
            seen.pop(name)
            seen |= _in_file(path, f"{name} ")
    return seen


def _in_file(path: Path, prefix: str) -> dict[str, str]:
    if _is_sqlite(path):
        return {f"{prefix}{row}": count for row, count in _rows(path).items()}
    data = path.read_bytes()
    if path.suffix == ".json":
        data = _in_one_spelling(data)
    return {prefix: hashlib.sha256(data).hexdigest()}


def _in_one_spelling(data: bytes) -> bytes:
    """The values of a JSON file: how it is indented, and the order of members, are nothing."""
    try:
        return json.dumps(json.loads(data), sort_keys=True).encode()
    except (ValueError, RecursionError):
        return data


def _is_sqlite(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _rows(path: Path) -> dict[str, str]:
    """As SQL that would make it again."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
        lines = Counter(database.iterdump())
    return {line: str(count) for line, count in lines.items()}
