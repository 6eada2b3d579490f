"""A small world to take calls back in: one tool server with records, its pack, the real Line, the real journal.

The server is in this process, so a test can make it fail, fall silent or die at any call, and the
world is a dict the test looks at itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from gateway.catalogue.canonical import digest
from gateway.core.model import (
    AccessRequest,
    Answer,
    Classified,
    ClientFacts,
    Decision,
    Effect,
    Endpoint,
    Entry,
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
from gateway.core.resolve import Shelf, Table
from gateway.errands import GatewayErrands
from gateway.errors import Where
from gateway.journals import runs
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.pep import Line
from gateway.ports import CallFilter, Outbound
from gateway.reasons import Reason
from gateway.settings import ServerLimits, ServerSettings
from gateway.signer import Signer
from gateway.undo import packs as pack_files
from gateway.undo.doubts import Doubts
from gateway.undo.ledger import Ledger
from gateway.undo.looking import Looker
from gateway.undo.own import OwnReads
from gateway.undo.packs import Packs
from gateway.undo.parts import Parts
from gateway.undo.reverser import PackReverser
from gateway.undo.rollback import Rollback
from gateway.undo.select import Wanted
from gateway.values import replace
from tests.catalogue.offering import Seen
from tests.free import AtOnce, Deaf, Even, Still, unbounded

HERE = Where("policies/tiers.yaml", 1)
KEY = {"type": "string", "minLength": 1}
TOOLS: Mapping[str, JsonObject] = {
    "put": {"key": KEY, "value": {"type": "string"}},
    "drop": {"key": KEY},
    "rename": {"old": KEY, "new": KEY},
    "get": {"key": KEY},
    "shout": {"text": {"type": "string"}},
    "post": {"text": {"type": "string"}},
    "book": {"key": KEY, "value": {"type": "string"}, "note": {"type": "string"}},
    "cancel": {"key": KEY},
}

PROVEN: Mapping[str, frozenset[str]] = dict.fromkeys(TOOLS, frozenset(TOOLS))
"""All was tried before all."""

PACK = """\
undo_pack: 1
server: {name: store, versions: ">=1", tools: {TOOLS}}
reads:
  record:
    tool: get
    absent_when: "read.is_error && matches(read.text, '^absent')"
    take: {value: "${read.structured.value}"}
    schema:
      {type: object, required: [value], additionalProperties: false, properties: {value: {type: string}}}
tools:
  put:
    keys: ["store:/${args.key}"]
    capture: &it {it: {use: record, arguments: {key: "${args.key}"}}}
    cases:
      - when: absent(pre.it)
        level: exact
        strategy: inverse
        inverse: [{tool: drop, idempotent: true, arguments: {key: "${args.key}"}}]
      - when: present(pre.it)
        level: exact
        strategy: restore
        residue: ["a new version number"]
        inverse: [{tool: put, idempotent: true, arguments: {key: "${args.key}", value: "${pre.it.value}"}}]
    guard: &guard {compare: post, strength: locked-check}
    predict_post: {it: {value: "${args.value}"}}
  drop:
    keys: ["store:/${args.key}"]
    capture: *it
    cases:
      - when: present(pre.it)
        level: exact
        strategy: restore
        inverse: [{tool: put, idempotent: true, arguments: {key: "${args.key}", value: "${pre.it.value}"}}]
    guard: *guard
    expect: absent(cur.it)
  rename:
    keys: ["store:/${args.old}", "store:/${args.new}"]
    capture:
      old: {use: record, arguments: {key: "${args.old}"}}
      new: {use: record, arguments: {key: "${args.new}"}}
    cases:
      - when: present(pre.old) && absent(pre.new)
        level: exact
        strategy: inverse
        inverse:
          - {tool: put, idempotent: true, arguments: {key: "${args.old}", value: "${pre.old.value}"}}
          - {tool: drop, arguments: {key: "${args.new}"}}
    guard: *guard
    expect: present(cur.new) && absent(cur.old)
  book:
    keys: ["store:/${args.key}"]
    capture: *it
    cases:
      - when: absent(pre.it)
        level: compensable
        strategy: tcc
        residue: ["the name is used up"]
        inverse: [{tool: cancel, idempotent: true, arguments: {key: "${args.key}"}}]
    guard: *guard
    predict_post: {it: {value: "${args.value}"}}
  post:
    keys: ["store:/posted"]
    capture: {it: {use: record, arguments: {key: posted}}}
    cases:
      - {when: absent(pre.it), level: none, strategy: hold, hold: 1m}
    guard: *guard
"""


def descriptor(tool: str) -> JsonObject:
    fields = TOOLS[tool]
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return {"name": tool, "inputSchema": {**schema, "additionalProperties": False}}


class Killed(BaseException):
    """As a process that ends: nothing is written after it."""


def dies(tool: str) -> Callable[[str, JsonObject], None]:
    """The gateway is killed at that tool: before its effect as a store's `trouble`, after it as its `late`."""

    def kill(name: str, arguments: JsonObject) -> None:
        if name == tool:
            raise Killed

    return kill


@dataclass
class Store(Still):
    """A tool server with records. `trouble`: asked before each call; an outcome it gives is the answer,
    and the call is then not done. `late` is asked after it was done."""

    records: dict[str, str] = field(default_factory=dict)
    got: list[tuple[str, JsonObject]] = field(default_factory=list)
    trouble: Callable[[str, JsonObject], Outcome | None] = lambda tool, arguments: None
    late: Callable[[str, JsonObject], Outcome | None] = lambda tool, arguments: None
    version: str = "1.0"
    fences: int = 0
    ours: bool = True
    """May the gateway end its process?"""
    cancelled: set[str] = field(default_factory=set)

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        tool, arguments = message.params["name"], message.params["arguments"]
        await asyncio.sleep(0)
        if tool != "get":
            self.got.append((tool, arguments))
        answer = self.trouble(tool, arguments) or self._done(tool, arguments)
        return self.late(tool, arguments) or answer

    def _done(self, tool: str, arguments: JsonObject) -> Outcome:
        key = arguments.get("key", "")
        match tool:
            case "put":
                self.records[key] = arguments["value"]
            case "cancel":
                self.cancelled.add(key)
                self.records.pop(key, None)
            case "book" if key in self.cancelled:
                return failed("cancelled")
            case "book":
                self.records[key] = arguments["value"]
            case "get" | "drop" if key not in self.records:
                return failed("absent")
            case "get":
                return Outcome(
                    "ok", {"content": [], "structuredContent": {"value": self.records[key]}}
                )
            case "drop":
                del self.records[key]
            case "rename" if arguments["old"] in self.records:
                self.records[arguments["new"]] = self.records.pop(arguments["old"])
            case "rename":
                return failed("absent")
        return Outcome("ok", {"content": []})

    def writes(self) -> list[str]:
        return [tool for tool, _ in self.got]

    def describe(self) -> JsonObject:
        return {"server_info": {"name": "store", "version": self.version}}

    async def fence(self) -> bool:
        self.fences += 1
        return self.ours


def failed(text: str) -> Outcome:
    return Outcome("tool_error", {"content": [{"type": "text", "text": text}], "isError": True})


class Policy(Even):
    """Lets agents and operators do what `denied_agents` and `denied` do not say."""

    version = "sha256:1"

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.denied_agents: set[str] = set()
        self.asked: list[AccessRequest] = []

    @property
    def current(self) -> Policy:
        return self

    def classify(self, resolved: Resolved) -> Classified:
        effect = Effect.READ if resolved.target.name == "get" else Effect.WRITE
        return Classified(resolved, Tier.TOOL, effect, "local", HERE)

    def decide(self, question: AccessRequest) -> Decision:
        self.asked.append(question)
        denied = self.denied if question.subject.startswith("operator:") else self.denied_agents
        if question.tool in denied:
            return Decision(False, Reason.NO_RULE)
        return Decision(True, Reason.ALLOWED_BY_RULE, "P1", HERE)


_LOADED: dict[str, Packs] = {}
"""By the text of the pack: read once for all tests of a process."""


def packs(directory: Path) -> Packs:
    """The pack of the store, as if it were certified."""
    listed = ", ".join(f'{name}: "{digest(descriptor(name))}"' for name in TOOLS)
    text = PACK.replace("TOOLS", listed)
    if text not in _LOADED:
        _LOADED[text] = _loaded(directory, text)
    return _LOADED[text]


def _loaded(directory: Path, text: str) -> Packs:
    pins = {Target("store", "tool", name): Pin(name) for name in TOOLS}
    (directory / "undo").mkdir(exist_ok=True)
    (directory / "undo" / "store.yaml").write_text(text)
    loaded = pack_files.load(directory, {"store": ServerSettings(command=("store",))}, pins)
    names = {f"{name}@{pack.digest}": {"1.0": PROVEN} for name, pack in loaded.by_server.items()}
    return replace(loaded, certified=names)


class Pin:
    """An approved descriptor."""

    def __init__(self, tool: str) -> None:
        self.descriptor = descriptor(tool)
        self.digest = digest(self.descriptor)


async def nothing_withheld(target: Target) -> str | None:
    """All is offered as it was approved."""
    return None


@dataclass
class Rig:
    """One gateway process over a journal in a directory, and what stands around it."""

    line: Line
    parts: Parts
    policy: Policy
    reader: SqliteReader
    journal: SqliteJournal
    catalogue: _Catalogue
    doubts: Doubts
    store: Store = field(default_factory=Store)
    session: str | None = None
    """The one agents call in from now on."""
    token_ends: int = 2**40
    """Of agents that call from now on. Seconds since the epoch."""

    async def call(
        self,
        tool: str,
        *,
        task: str = "t1",
        agent: str = "agent:a",
        tenant: str = "local",
        **arguments: Any,
    ) -> str:
        """An agent's call of the store; its call id."""
        said = await self.ask("store", tool, arguments, task=task, agent=agent, tenant=tenant)
        return said[0]

    async def ask(
        self,
        server: str,
        tool: str,
        arguments: JsonObject,
        *,
        task: str,
        agent: str = "agent:a",
        tenant: str = "local",
    ) -> tuple[str, Answer]:
        """An agent's call, one at a time of an agent's task: its id, and what the agent heard."""
        who = WorkloadIdentity(
            "urn:test",
            agent,
            tenant,
            task,
            "general",
            frozenset({Tier.TOOL}),
            "jti",
            self.token_ends,
        )
        params = {"name": f"{server}__{tool}", "arguments": arguments}
        request = Request(
            Endpoint("all"),
            who,
            Era.STATELESS,
            1,
            "tools/call",
            params,
            ClientFacts("2026-07-28"),
            session=self.session,
        )
        before = {row.record.call_id for row in self.made(agent, task)}
        async with asyncio.timeout(60):
            answer = await self.line.call(request, Deaf())
        [made] = [
            row.record.call_id for row in self.made(agent, task) if row.record.call_id not in before
        ]
        return str(made), answer

    def made(self, agent: str, task: str) -> list[Any]:
        """This agent's calls of this task, newest first."""
        return list(self.reader.calls(CallFilter(agent=agent, task=task), 10_000))

    def calls(self) -> list[Any]:
        return list(self.reader.calls(CallFilter(), 10_000))

    def states(self, agent: str) -> list[str]:
        """Of this maker's calls, oldest first."""
        return [str(row.state) for row in reversed(self.calls()) if row.record.agent == agent]

    def rollback(self, operator: str = "operator:o") -> Rollback:
        return Rollback(self.parts, operator)

    async def undo(self, *calls: str, choice: Any = "refuse", **scope: Any) -> dict[str, str]:
        """Plan and execute; the verdicts."""
        rollback = self.rollback()
        async with asyncio.timeout(60):
            plan = await rollback.plan(Wanted(calls=calls, **scope))
            report = await rollback.execute(plan, choice)
        return {call: found.verdict for call, found in report.found.items()}


@dataclass(frozen=True)
class Behind:
    """Tool servers: how they are reached, declared, described and taken back."""

    servers: Mapping[str, Any]
    settings: Mapping[str, ServerSettings]
    packs: Packs
    descriptors: Mapping[Target, JsonObject]


@asynccontextmanager
async def a_rig(
    directory: Path,
    store: Store,
    policy: Policy | None = None,
    clock: Callable[[], int] | None = None,
) -> AsyncIterator[Rig]:
    """Opened again on the same directory and the same store it is the next process."""
    declared = ServerSettings(command=("store",), limits=ServerLimits(quiesce=0.0))
    if not store.ours:
        limits = ServerLimits(quiesce=1.0, total=1.0)
        declared = ServerSettings(url="http://127.0.0.1/store", limits=limits)
    settings = {"store": declared}
    described = {Target("store", "tool", name): descriptor(name) for name in TOOLS}
    behind = Behind({"store": store}, settings, packs(directory), described)
    async with a_gateway(directory, behind, policy or Policy(), clock=clock) as rig:
        rig.store = store
        yield rig


@asynccontextmanager
async def a_gateway(
    directory: Path,
    behind: Behind,
    policy: Policy,
    protector: Protector | None = None,
    clock: Callable[[], int] | None = None,
) -> AsyncIterator[Rig]:
    """The real Line, journal, leases and rollback in front of these servers."""
    protector = protector or Protector.open(directory / "state")
    clock = clock or count(1_000_000, 1_000).__next__
    started = int(asyncio.get_running_loop().time() * 1e6)
    ids = count(started)
    journal = await SqliteJournal.open(directory / "journal.db")
    reader = SqliteReader(directory / "journal.db")
    servers, settings, known = behind.servers, behind.settings, behind.packs

    def new_call_id() -> str:
        return f"c{next(ids):020d}"

    common: dict[str, Any] = {
        "journal": journal,
        "protector": protector,
        "servers": servers,
        "clock": clock,
        "new_call_id": new_call_id,
    }
    reads = OwnReads(**common)
    leases = journal.leases()
    reverser = PackReverser(
        packs=known,
        journal=journal,
        leases=leases,
        reads=reads,
        protector=protector,
        servers=servers,
        settings=settings,
        clock=clock,
        withheld=nothing_withheld,
    )
    entries = {
        f"{target.server}__{target.name}": Entry(
            target, f"{target.server}__{target.name}", dict(each), digest(each)
        )
        for target, each in behind.descriptors.items()
    }
    companions = {
        name: one.companion_of for name, one in settings.items() if one.companion_of is not None
    }
    catalogue = _Catalogue(Table("1", Shelf(tools=entries), {}))
    line = Line(
        catalogue=catalogue,
        policies=policy,
        check=lambda resolved: None,
        reverser=reverser,
        bounds=unbounded(),
        pace=AtOnce(),
        **common,
    )
    parts = Parts(
        reader=reader,
        ledger=Ledger(reader, protector),
        looker=Looker(known, servers, reads, nothing_withheld),
        errands=GatewayErrands(
            policies=policy, destinations={}, companions=companions, tenant="local", **common
        ),
        leases=leases,
        journal=journal,
        protector=protector,
        policies=policy,
        servers=servers,
        settings=settings,
        is_gone=lambda run: runs.is_gone(journal.runs_at, run),
        parents=lambda: {"g2": "g1", "g3": "g2", "h1": ""},
        tenant="local",
        clock=clock,
        new_call_id=new_call_id,
        signer=Signer.open(directory / "rollback.key"),
    )
    try:
        await journal.recover()
        yield Rig(line, parts, policy, reader, journal, catalogue, reverser.doubts)
    finally:
        await reverser.doubts.aclose()
        await journal.aclose()
        reader.close()


class _Catalogue(Seen):
    """`ports.Catalogue`; the test may give it another table."""

    def __init__(self, table: Table) -> None:
        self.current = table
