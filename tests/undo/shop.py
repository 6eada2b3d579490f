"""A small world to undo things in: one shelf of texts behind a tool server, and a pack that knows it.

The pack is what packs.py would make of a file, written by hand, so that each answer can be bent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from gateway.core.model import (
    CallRecord,
    Classified,
    ClientFacts,
    Effect,
    Endpoint,
    Era,
    JsonObject,
    Outcome,
    Request,
    Resolved,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.core.record import Permit
from gateway.core.reverse import Captured, Guard, Image, Level, Reversal, Step, Strategy
from gateway.errors import Where
from gateway.journals.memory import MemoryJournal
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.lease_ports import Leases
from gateway.ports import Channel, Outbound
from gateway.settings import ServerLimits, ServerSettings
from gateway.undo.changes import PROCESS
from gateway.undo.level import AnyPack
from gateway.undo.own import OwnReads
from gateway.undo.reverser import PackReverser
from gateway.undo.scope import CaptureFailed, NeedsResult, ReadCall, Scope
from tests.free import Still
from tests.journals.calls import call_record

NOON = 1_795_000_000_000_000
OK = Outcome("ok", {"content": []})
WHO = WorkloadIdentity(
    "urn:test", "agent:a", "local", "task-1", "general", frozenset(Tier), "jti", 2**40
)


class Shelf(Still):
    """`ports.ToolServer`: `look {name}` tells a text, everything else is done by the test itself."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.looked: list[str] = []
        self.mute = False
        """Looks are answered with null."""
        self.pid: int | None = 7
        self.looks_within: int | None = None
        """The process of its whose memory a look tells of, if it says so."""
        self.starting = False
        """It says who it is when it has been asked."""

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        assert message.params["name"] == "look"
        name = message.params["arguments"]["name"]
        self.looked.append(name)
        found = None if self.mute else {"text": self.texts.get(name, "")}
        meta = {} if self.looks_within is None else {"_meta": {PROCESS: self.looks_within}}
        return Outcome("ok", {"content": [], "structuredContent": found, **meta})

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        self.starting = False
        return {}

    def describe(self) -> JsonObject:
        said = {} if self.starting else {"era": "stateless", "server_info": {"version": "1.0"}}
        return {"pid": self.pid, **said}

    async def fence(self) -> bool:
        self.pid = (self.pid or 0) + 1
        return True


class Look:
    """The read's spec."""

    def take(self, outcome: Outcome) -> Captured:
        found = (outcome.result or {}).get("structuredContent")
        if found is None:
            raise CaptureFailed("text: null", "the shelf is locked")
        return Captured("value", found["text"])


@dataclass(frozen=True)
class ShelfCase:
    level: Level = Level.EXACT
    strategy: Strategy = "restore"
    fidelity: str = "bytes"
    residue: tuple[str, ...] = ("mtime",)
    guard: Guard = "locked-check"
    why: str = "shelf.yaml:3"
    needs_result: bool = False
    hold_seconds: int = 0

    def steps(self, scope: Scope) -> tuple[Step, ...]:
        if self.needs_result and scope.result is None:
            raise NeedsResult("result")
        assert scope.pre is not None
        return (Step("shelf", "put", {"name": scope.args["name"], "text": scope.pre["t"].value}),)


@dataclass
class ShelfPack:
    """What the pack says. Each answer may be replaced."""

    pack: str = "shelf@sha256:aa"
    rests_on: frozenset[str] = frozenset({"put", "look"})
    undo_window_seconds: int | None = 60
    hold_seconds: int = 0
    cap: Level = Level.NOOP
    case: ShelfCase | None = field(default_factory=ShelfCase)
    breaks: Exception | None = None

    def early_keys(self, scope: Scope) -> tuple[str, ...]:
        return (f"shelf:/{scope.args['name']}",)

    def keys(self, scope: Scope) -> tuple[str, ...]:
        return (f"shelf:/{scope.args['name']}/text",)

    def finds(self, scope: Scope) -> tuple[ReadCall, ...]:
        return ()

    def reads(self, scope: Scope) -> tuple[ReadCall, ...]:
        return (ReadCall("t", "shelf", "look", {"name": scope.args["name"]}, Look()),)

    def choose(self, scope: Scope) -> ShelfCase | None:
        if self.breaks is not None:
            raise self.breaks
        return self.case

    def failed(self, scope: Scope, outcome: Outcome) -> bool:
        return "error" in (outcome.result or {})

    def no_effect(self, scope: Scope) -> bool | None:
        return scope.pre == scope.post

    def expect(self, scope: Scope) -> bool | None:
        return None if scope.cur is None else scope.cur["t"].value == scope.args.get("text")

    def same(self, recorded: Image, current: Image) -> bool:
        return recorded == current


@dataclass
class ShelfPacks:
    """The packs in force: this one, or none."""

    pack: ShelfPack | None
    withheld: dict[str, str] = field(default_factory=dict)
    """Tools of the shelf that are not as they were approved, and why."""

    def find(self, target: Target, server_version: str | None) -> AnyPack | Reversal:
        assert server_version == "1.0"
        return self.pack or Reversal(Level.UNKNOWN, why="no undo pack for shelf")

    async def why_withheld(self, target: Target) -> str | None:
        assert (target.server, target.kind) == ("shelf", "tool")
        return self.withheld.get(target.name)


def put(name: str = "a", text: str = "new") -> Classified:
    """A decided call that puts a text."""
    arguments = {"name": name, "text": text}
    params: JsonObject = {"name": "put", "arguments": arguments}
    request = Request(
        Endpoint("all"), WHO, Era.STATELESS, 1, "tools/call", params, ClientFacts("2026-07-28")
    )
    resolved = Resolved(request, Target("shelf", "tool", "put"), None, params)
    return Classified(resolved, Tier.TOOL, Effect.WRITE, "local", Where("tiers.yaml", 1))


def record_of(call_id: str, name: str = "a", text: str = "new") -> CallRecord:
    """The same call, as its first line has it."""
    return call_record(
        call_id,
        agent="agent:a",
        server="shelf",
        target="put",
        tier="tool",
        effect="write",
        arguments={"name": name, "text": text},
    )


@dataclass
class Shop:
    """Everything around one reverser, in view."""

    shelf: Shelf
    pack: ShelfPack
    packs: ShelfPacks
    leases: Leases
    journal: MemoryJournal
    protector: Protector
    reads: OwnReads
    reverser: PackReverser
    settings: dict[str, ServerSettings]
    clock: Callable[[], int]
    new_call_id: Callable[[], str]

    def own_reads(self) -> list[Any]:
        """What the gateway read for itself, as the journal has it."""
        rows = [kept.lines for kept in self.journal.memory.calls.values()]
        return [line for line in rows if line[0].call_id.startswith("own")]


@asynccontextmanager
async def shop(
    tmp_path: Path, *, quiesce: float = 0.05, patience: float = 5.0
) -> AsyncIterator[Shop]:
    """An open shop: leases in a file, lines in memory."""
    file = await SqliteJournal.open(tmp_path / "journal.db")
    ids, ticks = count(1), count(NOON)
    shelf, pack, journal = Shelf(), ShelfPack(), MemoryJournal()
    protector, leases = Protector.open(tmp_path), file.leases(patience)
    limits = ServerLimits(quiesce=quiesce)
    common: dict[str, Any] = {
        "journal": journal,
        "protector": protector,
        "servers": {"shelf": shelf},
        "clock": lambda: next(ticks),
    }
    reads = OwnReads(**common, new_call_id=lambda: f"own-{next(ids):04}")
    packs = ShelfPacks(pack)
    settings = {"shelf": ServerSettings(command=("true",), limits=limits)}
    reverser = PackReverser(
        **common,
        packs=packs,
        leases=leases,
        reads=reads,
        settings=settings,
        withheld=packs.why_withheld,
    )
    try:
        yield Shop(
            shelf,
            pack,
            packs,
            leases,
            journal,
            protector,
            reads,
            reverser,
            settings,
            common["clock"],
            lambda: f"own-{next(ids):04}",
        )
    finally:
        await reverser.doubts.aclose()
        await file.aclose()
