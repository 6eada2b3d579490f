"""A ground for any server: arguments from its approved schemas, its world copied, seen from all sides there are.

Seen are: the files and databases the operator names as its world, read by us; the answers of the server's
own reading tools, in any order; and, where the companion lists them, all records. What is seen from
none of these sides is not certified. The servers go on running: each run starts where the last ended.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from gateway.catalogue.pins import Pins
from gateway.certify.arguments import Finds, arguments
from gateway.certify.drive import Driver
from gateway.certify.places import Places
from gateway.config import yamlfile
from gateway.core.linear import compiled
from gateway.core.model import JsonObject, Outcome, Target
from gateway.errors import Misconfigured
from gateway.settings import ServerSettings, Settings
from gateway.undo.companion.store import NOTHING
from gateway.undo.draft import is_reading
from gateway.undo.lists import unordered
from gateway.values import Value

READS: Final = 3
"""So many calls of reading tools are a look, at most."""


class Tools(Value):
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
    """What it takes, with what is told of it."""
    return {
        "description": descriptor.get("description", ""),
        **(descriptor.get("inputSchema") or {}),
    }


@dataclass
class Ground:
    """`ground.Live`. `leave`: patterns (RE2) of what may differ after an undo: said in the certificate."""

    tools: Tools
    places: Places
    finds: Finds = field(default_factory=Finds)
    leave: tuple[str, ...] = ()
    _reads: list[tuple[str, JsonObject]] | None = None
    _choice: Random = field(default_factory=Random)
    _last: tuple[str, JsonObject] | None = None
    _worked: Counter[str] = field(default_factory=Counter)
    _seen: Mapping[str, str] = field(default_factory=dict)

    def scratch(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        """On copies of the places. Raises `Misconfigured`."""
        self.places.copied(world)
        return self.places.moved(name, settings, world)

    def begin(self, world: Path, run: int, rng: Random) -> None:
        """The world is as the last run left it; which reads are a look is chosen anew."""
        self._reads, self._choice = None, rng

    def call(self, world: Path, run: int, rng: Random) -> tuple[str, JsonObject]:
        """Any tool of the pack; those that changed little so far are called more often."""
        names = sorted(self.tools.writing)
        (name,) = rng.choices(names, [1 / (1 + self._worked[name]) for name in names])
        self._last = name, self._made(self.tools.writing[name], world, rng)
        return self._last

    def _made(self, schema: JsonObject, world: Path, rng: Random) -> JsonObject:
        return dict(self.places.instead(arguments(schema, self.finds, rng), world))

    def see(self, world: Path, run: int) -> Mapping[str, str]:
        """What can be seen without the servers."""
        return self._kept(self.places.seen(world))

    async def look(self, driver: Driver, world: Path) -> Mapping[str, str]:
        """From every side."""
        self.finds.turn()
        seen = dict(self.places.seen(world))
        if self.tools.companion is not None:
            seen |= await self._records(driver, self.tools.companion)
        if self._reads is None:
            self._reads = await self._steady(driver, world)
        for name, given in self._reads:
            said = await self._asked(driver, name, given)
            seen[f"{name} {json.dumps(given)}"] = unordered(said)
        self._learn(seen)
        return self._kept(seen)

    def _learn(self, seen: Mapping[str, str]) -> None:
        """What changed something is worth trying again."""
        if self._last is not None and seen != self._seen:
            name, given = self._last
            self._worked[name] += 1
            self.finds.learn(given)
        self._seen, self._last = seen, None

    def _kept(self, seen: Mapping[str, str]) -> Mapping[str, str]:
        out = [compiled(pattern) for pattern in self.leave]
        return {n: each for n, each in seen.items() if not any(p.search(n) for p in out)}

    async def _steady(self, driver: Driver, world: Path) -> list[tuple[str, JsonObject]]:
        """Reads for one run that find something. Those that two looks in a row answer differently (a clock, a
        counter) are left out."""
        reads = [
            (name, self._made(schema, world, self._choice))
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
        return kept

    async def _asked(self, driver: Driver, name: str, given: JsonObject) -> Any:
        said = _said(await driver.ask(self.tools.server, name, given))
        self.finds.note(name, said)
        return said

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

    @property
    def name(self) -> str:
        """For the certificate: from which sides it was seen, and what was left out of sight."""
        sides = [f"world {name}" for name in self.places.names]
        sides += ["reads"] * bool(self.tools.reading) + ["records"] * bool(self.tools.companion)
        left = f", leaving {' and '.join(map(repr, self.leave))}" if self.leave else ""
        return f"schemas, seen by {', '.join(sides)}{left}"


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
