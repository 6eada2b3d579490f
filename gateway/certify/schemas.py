"""A ground for any server: arguments from its approved schemas, its world copied, seen from all sides there are.

Seen are: the files and databases the operator names as its world, read by us; the answers of the server's
own reading tools, in any order; and, where the companion lists them, all records. What is seen from
none of these sides is not certified. The servers go on running: each run starts where the last ended.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from gateway import yamlfile
from gateway.catalogue.pins import Pins
from gateway.certify.arguments import Finds, arguments
from gateway.certify.drive import Driver
from gateway.certify.files import look
from gateway.core.model import JsonObject, Outcome, Target
from gateway.errors import Misconfigured
from gateway.settings import EnvironmentRule, ServerSettings, Settings
from gateway.undo.companion.store import NOTHING
from gateway.undo.draft import is_reading
from gateway.undo.lists import unordered

READS: Final = 6
"""So many calls of reading tools are a look, at most."""
_SQLITE: Final = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Tools:
    """What is known of the server: by name, the input schemas of what it may be asked."""

    server: str
    companion: str | None
    """Its companion, if that lists records."""
    writing: Mapping[str, JsonObject]
    """The tools of its pack."""
    reading: Mapping[str, JsonObject]


def tools(settings: Settings, pins: Pins, server: str) -> Tools:
    """As they were approved. Raises `Misconfigured`."""
    known = {t.name: pin.descriptor for t, pin in pins.of(server).items() if t.kind == "tool"}
    told = yamlfile.read(settings.policy_dir / "undo" / f"{server}.yaml")
    packed = {*(told.get("tools") or ()), *(told.get("records") or ())}
    companions = [n for n, one in settings.servers.items() if one.companion_of == server]
    listing = [n for n in companions if Target(n, "tool", "store_changes") in pins.by_target]
    reading = [name for name, each in known.items() if is_reading(dict(each))]
    return Tools(
        server,
        listing[0] if listing else None,
        {name: _schema(known[name]) for name in sorted(packed & known.keys())},
        {name: _schema(known[name]) for name in sorted(set(reading) - packed)},
    )


def _schema(descriptor: Mapping[str, Any]) -> JsonObject:
    return dict(descriptor.get("inputSchema") or {})


def places(words: Sequence[str]) -> dict[Path, Path]:
    """`PATH`, or `PATH=SEED`: a scratch world begins with a copy of the one or the other."""
    pairs = [word.partition("=") for word in words]
    return {Path(path).absolute(): Path(seed or path).absolute() for path, _, seed in pairs}


@dataclass
class Ground:
    """`ground.Live`. `places`: paths of the server's settings -> what a scratch world begins with there."""

    tools: Tools
    places: Mapping[Path, Path]
    finds: Finds = field(default_factory=Finds)
    _reads: list[tuple[str, JsonObject]] | None = None
    _choice: Random = field(default_factory=Random)
    _last: JsonObject = field(default_factory=dict)
    _seen: Mapping[str, str] = field(default_factory=dict)

    def scratch(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        """Every word of its command, its environment and its values that names a place, or is below it, is
        moved. Raises `Misconfigured` for one in which no place is named."""
        self._copied(world)
        moved = dict(zip(map(str, self.places), self._places(world), strict=True))
        command = tuple(_moved(word, moved) for word in settings.command or ())
        variables = {n: _moved(v, moved) for n, v in settings.environment.set.items()}
        undo = {n: _moved(v, moved) if isinstance(v, str) else v for n, v in settings.undo.items()}
        if command == settings.command and variables == settings.environment.set:
            raise Misconfigured(
                f"{name} would be started on its real world: its command names none of the places",
                hint="--world PATH, for each path it works on; a socket is one, too",
            )
        rule = EnvironmentRule(inherit=settings.environment.inherit, set=variables)
        return settings.model_copy(update={"command": command, "environment": rule, "undo": undo})

    def begin(self, world: Path, run: int, rng: Random) -> None:
        """The world is as the last run left it; which reads are a look is chosen anew."""
        self._reads, self._choice = None, rng

    def call(self, world: Path, run: int, rng: Random) -> tuple[str, JsonObject]:
        """Any tool of the pack."""
        name = rng.choice(sorted(self.tools.writing))
        self._last = arguments(self.tools.writing[name], self.finds, rng)
        return name, self._last

    def see(self, world: Path, run: int) -> Mapping[str, str]:
        """What can be seen without the servers."""
        seen: dict[str, str] = {}
        for name in self._places(world):
            place = Path(name)
            seen |= {f"{place.name}: {part}": each for part, each in _on_disk(place).items()}
        return seen

    async def look(self, driver: Driver, world: Path) -> Mapping[str, str]:
        """From every side."""
        seen = dict(self.see(world, 0))
        if self.tools.companion is not None:
            seen |= await self._records(driver, self.tools.companion)
        if self._reads is None:
            self._reads = await self._steady(driver)
        for name, given in self._reads:
            said = await self._asked(driver, name, given)
            seen[f"{name} {json.dumps(given)}"] = unordered(said)
        if seen != self._seen:
            self.finds.learn(self._last)
        self._seen, self._last = seen, {}
        return seen

    async def _steady(self, driver: Driver) -> list[tuple[str, JsonObject]]:
        """Reads for one run that find something. Those that two looks in a row answer differently (a clock, a
        counter) are left out."""
        reads = [
            (name, arguments(schema, self.finds, self._choice))
            for name, schema in self.tools.reading.items()
            for _ in range(2 if schema.get("required") else 1)
        ]
        self._choice.shuffle(reads)
        kept = []
        for name, given in reads[:READS]:
            first = await driver.ask(self.tools.server, name, given)
            if first.kind != "ok":
                continue
            said = _said(first)
            if unordered(said) == unordered(await self._asked(driver, name, given)):
                kept.append((name, given))
            self.finds.note(name, said)
        return kept

    async def _asked(self, driver: Driver, name: str, given: JsonObject) -> Any:
        return _said(await driver.ask(self.tools.server, name, given))

    async def _records(self, driver: Driver, companion: str) -> dict[str, str]:
        told = await driver.ask(companion, "store_changes", {"since": NOTHING})
        structured = (told.result or {}).get("structuredContent")
        if told.kind != "ok" or not isinstance(structured, dict):
            raise Misconfigured(f"{companion} does not tell its records: {_said(told)}")
        for key, record in structured["now"].items():
            self.finds.note(key, record)
        return {
            f"record {key}": json.dumps(record, sort_keys=True)
            for key, record in structured["now"].items()
        }

    def _places(self, world: Path) -> list[str]:
        """The places on the scratch world."""
        return [str(world / f"{n}-{seed.name}") for n, seed in enumerate(self.places.values())]

    def _copied(self, world: Path) -> None:
        """Each with its beginning, once."""
        for seed, place in zip(self.places.values(), map(Path, self._places(world)), strict=True):
            if place.exists():
                continue
            if seed.is_dir():
                shutil.copytree(seed, place, symlinks=True)
            elif seed.is_file():
                shutil.copy2(seed, place)

    @property
    def name(self) -> str:
        """For the certificate: from which sides it was seen."""
        sides = [f"world {seed.name}" for seed in self.places.values() if not seed.is_socket()]
        sides += ["reads"] * bool(self.tools.reading) + ["records"] * bool(self.tools.companion)
        return f"schemas, seen by {', '.join(sides)}"


def _moved(word: str, places: Mapping[str, str]) -> str:
    for place, scratch in places.items():
        if word == place or word.startswith(f"{place.rstrip('/')}/"):
            return scratch + word[len(place.rstrip("/")) :]
        if word.endswith(f"={place}"):
            return word[: -len(place)] + scratch
    return word


def _on_disk(place: Path) -> dict[str, str]:
    if place.is_dir():
        return look(place)
    if not place.is_file():
        return {}
    with place.open("rb") as file:
        if file.read(len(_SQLITE)) == _SQLITE:
            return _rows(place)
    return {"": hashlib.sha256(place.read_bytes()).hexdigest()}


def _rows(place: Path) -> dict[str, str]:
    """As SQL that would make it again."""
    database = sqlite3.connect(f"file:{place}?mode=ro", uri=True)
    try:
        lines = Counter(database.iterdump())
    finally:
        database.close()
    return {line: str(count) for line, count in lines.items()}


def _said(outcome: Outcome) -> Any:
    """An answer as JSON, where it is; else its text."""
    result = outcome.result or {}
    if isinstance(result.get("structuredContent"), dict):
        return result["structuredContent"]
    blocks = result.get("content")
    texts = [str(each.get("text")) for each in blocks or () if isinstance(each, dict)]
    try:
        return [json.loads(text) for text in texts]
    except ValueError:
        return texts or [outcome.kind, outcome.error.message if outcome.error else ""]
