"""Private and untrusted data meet no way out without an approval, whoever of a task reads and whoever sends.

The real Line, the real journal, the real book of grants; a tool server that answers when it is told to. Agents
know what they were answered. What one of a task knows, all of it may have told each other.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.approvals.asking import Asking
from gateway.core import record
from gateway.core.approval import Word
from gateway.core.grant import Give
from gateway.core.model import (
    AccessRequest,
    Answer,
    Classified,
    ClientFacts,
    Decision,
    Effect,
    Endpoint,
    Era,
    Flow,
    JsonObject,
    Label,
    Obligation,
    Outcome,
    Request,
    Resolved,
    RpcError,
    Tier,
    WorkloadIdentity,
)
from gateway.core.record import Permit
from gateway.core.resolve import Shelf, Table
from gateway.grants.book import GrantBook
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.line.bounds import Bounds
from gateway.pep import Line
from gateway.ports import Outbound
from gateway.values import replace
from tests.catalogue.offering import Seen
from tests.free import AtOnce, Deaf, NoFences
from tests.grants.given import NOON, grant
from tests.journals.calls import call_record
from tests.test_pep import ALLOWED, HERE, Policy, Reversing, Server, _entry

PRIVATE: Final = frozenset[Label]({"private"})
UNTRUSTED: Final = frozenset[Label]({"untrusted"})
BOTH: Final = PRIVATE | UNTRUSTED
NONE: Final = frozenset[Label]()
FACTS: Final = ClientFacts("2026-07-28")

FLOWS: Final[Mapping[str, Flow]] = {
    "read_secret": Flow(PRIVATE, False, "lax"),
    "read_web": Flow(UNTRUSTED, False, "lax"),
    "read_both": Flow(BOTH, False, "lax"),
    "read_plain": Flow(NONE, False, "lax"),
    "send": Flow(NONE, True, "lax"),
    "search": Flow(UNTRUSTED, True, "lax"),
    "send_own": Flow(PRIVATE, True, "lax"),
    "send_strictly": Flow(NONE, True, "strict"),
    "send_asked": Flow(NONE, True, "lax"),
}
ASKED: Final = "send_asked"
TERMS: Final[dict[str, Any]] = {"tools": ("s/*",), "destinations": ("*",)}
ROOT: Final = grant("ann", **TERMS)
CHILD: Final = grant("bob", ROOT, **TERMS)
BELOW: Final = grant("cid", CHILD, strict_flow=True, **TERMS)
GRANTS: Final = {"ann": ROOT, "bob": CHILD, "cid": BELOW}
"""What they are given sooner or later. Until then each works by its role in a task of its own."""
AGENTS: Final = ("ann", "bob", "cid", "dan", "eve")
SHARED: Final = "shared"
"""The one task of dan and eve, who never get a grant."""


class Policies(Policy):
    """Classifies by the tool's name; one tool wants a person's leave."""

    def classify(self, resolved: Resolved) -> Classified:
        flow = FLOWS[resolved.target.name]
        effect = Effect.WRITE if flow.egress else Effect.READ
        return Classified(resolved, Tier.TOOL, effect, "mail.example", HERE, flow)

    def decide(self, question: AccessRequest) -> Decision:
        if question.tool != ASKED:
            return ALLOWED
        return replace(ALLOWED, obligations=(Obligation("approve", "O1", HERE),))


class Answering(Server):
    """Holds every call until it is let go; remembers which reached it."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: dict[int, asyncio.Event] = {}
        self.sent: list[int] = []
        self.asks = False
        """Before it answers."""
        self.heard: list[Any] = []

    async def call(self, permit: Permit, message: Outbound, channel: Any) -> Outcome:
        number = message.params["arguments"]["n"]
        self.sent.append(number)
        if number in self.gates:
            await self.gates[number].wait()
        if self.asks:
            self.heard.append((await channel.ask("elicitation/create", {})).result)
        return Outcome("ok", {"content": []})


class Open(Deaf):
    """A client that says all it knows."""

    async def ask(self, method: str, params: JsonObject) -> Answer:
        return Answer({"action": "accept"})


@dataclass(frozen=True)
class Under:
    """A call somebody has begun."""

    agent: str
    tool: str
    root: str
    strict: bool
    task: asyncio.Task[Answer]
    knew: frozenset[Label]
    """What could have been put into it."""


class Flows(RuleBasedStateMachine, Seen):
    """Any order of reads, sends, answers, grants and approvals, several calls under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = Path(tempfile.mkdtemp(prefix="bulkhead-flow-"))
        self.under: dict[int, Under] = {}
        self.own = dict.fromkeys(AGENTS, NONE)
        """What each was answered."""
        self.shared = dict.fromkeys([*AGENTS, SHARED], NONE)
        """What was answered to those who work for a task."""
        self.begun = dict.fromkeys([*AGENTS, SHARED], NONE)
        """The same of calls that may still be under way, or were refused."""
        self.numbers, self.ids = count(), count()
        self.tickets: dict[str, None] = {}
        self.leaves: set[str] = set()
        self.let_out = 0
        self.given: set[str] = set()
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        protector = Protector.open(self.place)
        self.journal = await SqliteJournal.open(self.place / "journal.db")
        self.store, self.server = self.journal.grants(), Answering()
        book = GrantBook(self.store, lambda: frozenset(Tier), lambda: NOON)
        self.current = Table("1", Shelf(tools={f"s__{n}": _entry(n) for n in FLOWS}), {})
        self.line = Line(
            catalogue=self,
            policies=Policies(),
            check=lambda _: None,
            journal=self.journal,
            protector=protector,
            servers={"s": self.server},
            reverser=Reversing(),
            bounds=Bounds(book, NoFences()),
            pace=AtOnce(),
            clock=lambda: NOON,
            new_call_id=lambda: f"call{next(self.ids)}",
            approvals=Asking(self.journal.tickets(), protector, lambda: NOON),
        )

    @rule(who=st.sampled_from([*GRANTS]))
    def is_given_its_grant(self, who: str) -> None:
        above = GRANTS[who].parent
        if who not in self.given and (not above or above in self.given):
            self.given.add(who)
            self.runner.run(self._claim(Give(GRANTS[who])))
            self.store.changed()

    @rule(agent=st.sampled_from(AGENTS), tool=st.sampled_from([*FLOWS]))
    def begins_a_call(self, agent: str, tool: str) -> None:
        self.runner.run(self._start(agent, tool))

    @rule(data=st.data())
    @precondition(lambda self: self.under)
    def is_answered(self, data: st.DataObject) -> None:
        self.runner.run(self._end(data.draw(st.sampled_from(sorted(self.under)))))

    @rule()
    @precondition(lambda self: self.under)
    def all_are_answered_at_once(self) -> None:
        self.runner.run(self._end(*self.under))

    @rule(data=st.data())
    @precondition(lambda self: self.tickets)
    def a_person_lets_one_out(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from([*self.tickets]))
        del self.tickets[ticket]
        self.leaves.add(ticket)
        self.let_out += 1
        self.runner.run(self._claim(_leave(ticket)))

    @invariant()
    def nothing_meets_a_way_out(self) -> None:
        for number, under in self.under.items():
            if number in self.server.sent:
                self._judge(under)

    @invariant()
    def each_leave_lets_one_out(self) -> None:
        assert sum(number < 0 for number in self.server.sent) <= self.let_out

    async def _claim(self, claim: record.Claim) -> None:
        line = record.noted(call_record(f"act{next(self.ids)}"), NOON, {}, (claim,))
        async with asyncio.timeout(20):
            await self.journal.append(line).sealed()

    async def _start(self, agent: str, tool: str) -> None:
        task = agent if agent in GRANTS else SHARED
        root = "ann" if agent in self.given else task
        number = next(self.numbers)
        # A call that was let out comes again as it was, so it has one number for all its tries.
        said = {"n": -1 - AGENTS.index(agent) if tool == ASKED else number}
        identity = WorkloadIdentity(
            "urn:test", f"agent:{agent}", "local", task, "general", frozenset(Tier), "jti", 2**40
        )
        params: JsonObject = {"name": f"s__{tool}", "arguments": said}
        request = Request(Endpoint("all"), identity, Era.STATELESS, 1, "tools/call", params, FACTS)
        knew = self.own[agent] | self.shared[root]
        # What it asked for before its grant is its own, answered or not.
        self.begun[root] |= FLOWS[tool].reads | self.own[agent] | self.begun[task]
        self.server.gates[number] = asyncio.Event()
        called = asyncio.ensure_future(self.line.call(request, Open()))
        strict = FLOWS[tool].mode == "strict" or (agent == "cid" and agent in self.given)
        self.under[number] = Under(agent, tool, root, strict, called, knew)
        await asyncio.sleep(0)

    async def _end(self, *numbers: int) -> None:
        for number in numbers:
            self.server.gates[number].set()
        async with asyncio.timeout(20):
            for number in numbers:
                self._heard(number, await self.under[number].task)

    def _heard(self, number: int, answer: Answer) -> None:
        under = self.under.pop(number)
        if answer.error is not None:
            self._refused_for_a_reason(under, answer.error)
            return
        assert answer.result is not None
        ticket = answer.result.get("structuredContent", {}).get("ticket")
        if ticket is not None:
            if ticket not in self.leaves:  # it may be told late, of a call that asked before
                self.tickets[ticket] = None
            return
        self._judge(under)
        reads = FLOWS[under.tool].reads
        self.shared[under.root] |= reads | self.own[under.agent]
        self.own[under.agent] |= reads

    def _judge(self, under: Under) -> None:
        """It has reached the tool server: could private and untrusted data have been in it?"""
        flow = FLOWS[under.tool]
        if not flow.egress or under.tool == ASKED:
            return
        met = under.knew | (flow.reads & PRIVATE)
        assert not (met if under.strict else met >= BOTH), under

    def _refused_for_a_reason(self, under: Under, error: RpcError) -> None:
        """Nobody is stopped who could not have done harm."""
        assert error.data["reason"] == "flow"
        assert under.tool != ASKED  # it waits for leave, or has it
        could = self.begun[under.root] | under.knew
        assert could if under.strict else could >= BOTH, under

    def teardown(self) -> None:
        self.runner.run(self._close())
        self.runner.close()
        shutil.rmtree(self.place)

    async def _close(self) -> None:
        await self._end(*self.under)
        self.store.close()
        await self.journal.aclose()


TestFlows = Flows.TestCase
TestFlows.settings = settings(
    max_examples=max(12, settings().max_examples // 20), stateful_step_count=30, deadline=None
)


@contextmanager
def flows() -> Iterator[Flows]:
    machine = Flows()
    try:
        yield machine
    finally:
        machine.teardown()


def test_what_was_read_before_a_grant_comes_along_to_it() -> None:
    with flows() as some:
        some.begins_a_call("bob", "read_secret")
        some.all_are_answered_at_once()
        some.is_given_its_grant("ann")
        some.is_given_its_grant("bob")
        some.begins_a_call("bob", "read_web")
        some.all_are_answered_at_once()
        some.begins_a_call("ann", "send")
        some.all_are_answered_at_once()
        reached = len(some.server.sent)
    assert reached == 2


@pytest.mark.parametrize(
    ("tool", "read", "told"),
    [
        ("send", ["read_web"], True),
        ("send", ["read_web", "read_secret"], False),
        ("send", ["read_both"], False),
        ("search", ["read_secret"], False),
        ("send_strictly", ["read_web"], False),
        ("read_plain", ["read_both"], True),
    ],
)
def test_what_is_answered_in_the_middle_of_a_call_goes_by_what_was_read_meanwhile(
    tool: str, read: list[str], told: bool
) -> None:
    with flows() as some:
        some.begins_a_call("dan", tool)
        for each in read:
            some.begins_a_call("eve", each)
        some.runner.run(some._end(*range(1, len(read) + 1)))
        some.server.asks = True
        some.all_are_answered_at_once()
        heard = some.server.heard
    assert heard == [{"action": "accept"} if told else None]


def test_it_comes_along_with_a_call_that_reads_nothing() -> None:
    with flows() as some:
        some.begins_a_call("bob", "read_secret")
        some.all_are_answered_at_once()
        some.is_given_its_grant("ann")
        some.is_given_its_grant("bob")
        for agent, tool in (("ann", "read_web"), ("bob", "read_plain"), ("ann", "send")):
            some.begins_a_call(agent, tool)
            some.all_are_answered_at_once()
        reached = len(some.server.sent)
    assert reached == 3


def test_so_does_what_is_not_answered_yet() -> None:
    with flows() as some:
        some.is_given_its_grant("ann")
        some.begins_a_call("bob", "read_both")
        some.is_given_its_grant("bob")
        some.begins_a_call("bob", "send")
        some.all_are_answered_at_once()
        reached = len(some.server.sent)
    assert reached == 1


def test_a_person_lets_one_call_out_and_no_second() -> None:
    with flows() as some:
        some.begins_a_call("dan", "read_both")
        some.all_are_answered_at_once()
        for _ in range(2):  # eve is of the same task
            some.begins_a_call("eve", ASKED)
            some.all_are_answered_at_once()
        (ticket,) = some.tickets
        before = list(some.server.sent)
        some.runner.run(some._claim(_leave(ticket)))
        for _ in range(2):
            some.begins_a_call("eve", ASKED)
            some.all_are_answered_at_once()
        after = some.server.sent[len(before) :]
    assert (before, len(after)) == ([0], 1)


def _leave(ticket: str) -> Word:
    return Word(ticket, "approved", "operator:ada", NOON, NOON + 60_000_000)
