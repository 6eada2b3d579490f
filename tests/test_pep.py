"""The Line's laws, one by one: what must be written before what, and what an agent hears when it cannot be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.core.fence import Fence, Scope
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
    Obligation,
    Outcome,
    OutcomeKind,
    Request,
    Resolved,
    Shadow,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.core.over import Ear, Over
from gateway.core.record import OUTCOME_STATE, Claim, Permit, State
from gateway.core.resolve import Shelf, Table
from gateway.core.reverse import Level, Reversal, Settled
from gateway.core.tasks import EXTENSION
from gateway.errors import JournalError, Refused, Where
from gateway.fences.live import LiveFences
from gateway.fences.log import FenceLog
from gateway.journals.memory import MemoryJournal
from gateway.journals.protect import Protector
from gateway.line.bounds import Bounds
from gateway.pep import Line
from gateway.ports import Approvals, Journal, Mark, Outbound
from gateway.reasons import Reason
from gateway.values import replace
from tests.catalogue.offering import Seen
from tests.free import Deaf, Even, NoGrants, Still, unbounded

WHO = WorkloadIdentity(
    "urn:test", "agent:a", "local", "t1", "general", frozenset({Tier.DATA, Tier.TOOL}), "jti", 2**40
)
HERE = Where("policies/tiers.yaml", 7)
RULE = Where("policies/policy.csv", 3)

ALLOWED = Decision(True, Reason.ALLOWED_BY_RULE, "P001", RULE)
DONE = Outcome("ok", {"content": []})


@dataclass
class Policy(Even):
    """Says the same to everybody, and remembers what it was asked."""

    effect: Effect = Effect.WRITE
    tier: Tier = Tier.TOOL
    decision: Decision = ALLOWED
    classification: Refused | None = None
    asked: list[AccessRequest] = field(default_factory=list)
    version: str = "sha256:1"

    @property
    def current(self) -> Policy:
        return self

    def classify(self, resolved: Resolved) -> Classified:
        if self.classification is not None:
            raise self.classification
        return Classified(resolved, self.tier, self.effect, "local", HERE)

    def decide(self, question: AccessRequest) -> Decision:
        self.asked.append(question)
        return self.decision


class Plain:
    """Keeps everything as it is; `fault` makes it fail."""

    fault: Exception | None = None

    def protect(self, arguments: JsonObject, marks: Mapping[str, Mark]) -> tuple[JsonObject, str]:
        if self.fault is not None:
            raise self.fault
        return arguments, "digest"

    def digest(self, value: JsonObject) -> str:
        return "digest"

    def protect_text(self, text: str) -> str:
        return text

    def seal(self, value: Any) -> JsonObject:
        return {"sealed": value}

    def unseal(self, kept: Mapping[str, Any]) -> Any:
        return kept["sealed"]

    def restore(self, kept: Any, redacted: Any = None) -> Any:
        return kept

    def keeps(self, arguments: JsonObject) -> bool:
        return True


class Server(Still):
    """Remembers what was forwarded; answers with `outcome`, once `gate` is open."""

    def __init__(self, outcome: Outcome | Exception = DONE) -> None:
        self.outcome = outcome
        self.got: list[tuple[str, Outbound]] = []
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        self.got.append((permit.call_id, message))
        self.reached.set()
        await self.gate.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@dataclass
class Ready:
    reversal: Reversal
    body: JsonObject
    claims: tuple[Claim, ...] = ()
    looks: bool = True


class Reversing:
    """Gives every write one level; remembers what was asked of it, in order."""

    def __init__(self) -> None:
        self.reversal = Reversal(Level.EXACT, guard="cas", why="a case")
        self.refuses: Exception | None = None
        self.settles: Settled | None = None
        self.without_a_wait: Ready | None = None
        self.asked: list[tuple[str, str]] = []

    def at_once(self, call_id: str, classified: Classified, secret: bool) -> Ready | None:
        return self.without_a_wait

    async def prepare(self, call_id: str, classified: Classified, secret: bool) -> Ready:
        self.asked.append((call_id, "prepare"))
        if self.refuses is not None:
            raise self.refuses
        return Ready(self.reversal, {"undo": {"level": str(self.reversal.level)}})

    async def settle(self, prepared: Ready, outcome: Outcome) -> Settled:
        self.asked.append(("", f"settle {outcome.kind}"))
        return self.settles or Settled(OUTCOME_STATE[outcome.kind], prepared.reversal)

    def body(self, prepared: Ready, settled: Settled) -> JsonObject:
        return {}

    def release(self, call_id: str) -> None:
        self.asked.append((call_id, "release"))


class Pace:
    """A clock that ticks with each look, and what was held back, and since when."""

    def __init__(self) -> None:
        self.ticks = count(100)
        self.since: list[float] = []

    def now(self) -> float:
        return next(self.ticks)

    async def even(self, since: float) -> None:
        self.since.append(since)


class World(Seen):
    """A Line with everything around it in view."""

    def __init__(
        self,
        policy: Policy | None = None,
        server: Server | None = None,
        bounds: Bounds | None = None,
        protector: Protector | None = None,
        approvals: Approvals | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.policy = policy or Policy()
        self.server = server or Server()
        self.journal = MemoryJournal()
        self.protector = Plain()
        self.problem: str | None = None
        self.pace = Pace()
        self.reversing = Reversing()
        self.current = Table("1", Shelf(tools={"s__t": _entry("t")}), {})
        ids = count(1)
        self.line = Line(
            catalogue=self,
            policies=self.policy,
            check=lambda _: self.problem,
            journal=journal or self.journal,
            protector=protector or self.protector,
            servers={"s": self.server},
            reverser=self.reversing,
            bounds=bounds or unbounded(),
            pace=self.pace,
            clock=lambda: 5,
            new_call_id=lambda: f"call{next(ids)}",
            approvals=approvals,
        )

    async def call(
        self, name: str = "s__t", arguments: Any = None, method: str = "tools/call", **more: Any
    ) -> Answer:
        params = {"name": name, "arguments": arguments or {"x": 1}, "_meta": {"k": "v"}, **more}
        request = Request(
            Endpoint("all"), WHO, Era.STATELESS, 1, method, params, ClientFacts("2026-07-28")
        )
        async with asyncio.timeout(20):
            return await self.line.call(request, Deaf())

    def states(self) -> list[tuple[str, str]]:
        return [(event.call_id, str(event.kind)) for event in self.journal.memory.events]


def _entry(name: str) -> Entry:
    return Entry(Target("s", "tool", name), f"s__{name}", {"name": name}, "sha256:d")


async def turns() -> None:
    """Whatever can go on without anything from outside has done so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def under_way(world: World) -> asyncio.Task[Answer]:
    """A call that has come to its server."""
    call = asyncio.ensure_future(world.call())
    async with asyncio.timeout(20):
        await world.server.reached.wait()
    return call


def reason(answer: Answer) -> str:
    assert answer.error is not None
    return str(answer.error.data["reason"])


async def test_a_permitted_call_is_forwarded_once_as_decided_and_answered_verbatim() -> None:
    world = World(server=Server(Outcome("ok", {"content": [], "vendor": 1})))
    answer = await world.call(arguments={"x": [1, 2.5, None]})
    assert answer.result == {"content": [], "vendor": 1}
    [(call_id, message)] = world.server.got
    assert message.params == {"name": "t", "arguments": {"x": [1, 2.5, None]}, "_meta": {"k": "v"}}
    assert world.policy.asked[0].arguments == message.params["arguments"]
    assert world.states() == [(call_id, "intent"), (call_id, "applied")]


async def test_a_write_is_not_forwarded_before_its_intent_is_durable() -> None:
    world = World()
    world.journal.hold()
    call = asyncio.ensure_future(world.call())
    await turns()
    assert world.server.got == []
    world.journal.release()
    await call
    assert len(world.server.got) == 1


async def test_a_fence_that_nobody_has_seen_yet_stops_the_next_call(tmp_path: Path) -> None:
    world = World(
        Policy(Effect.READ, Tier.DATA), bounds=Bounds(NoGrants(), LiveFences(FenceLog(tmp_path)))
    )
    assert (await world.call()).error is None
    FenceLog(tmp_path).fence(Fence("agent", WHO.agent, "operator:ada", "strange", 5))
    assert reason(await world.call()) == "fenced"
    assert len(world.server.got) == 1


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
@pytest.mark.parametrize(
    ("scope", "value"),
    [
        ("agent", WHO.agent),
        ("tenant", "local"),
        ("task", "t1"),
        ("server", "s"),
        ("tier", "tool"),
        ("all", ""),
    ],
)
async def test_whatever_of_a_call_is_fenced_it_reaches_no_server(
    scope: Scope, value: str, effect: Effect, tmp_path: Path
) -> None:
    log = FenceLog(tmp_path)
    log.fence(Fence(scope, value, "operator:ada", "strange", 5))
    world = World(Policy(effect), bounds=Bounds(NoGrants(), LiveFences(log)))
    assert reason(await world.call()) == "fenced"
    assert world.server.got == []
    assert world.states() == [("call1", "refused")]


@pytest.mark.parametrize(("effect", "forwarded"), [(Effect.READ, 1), (Effect.WRITE, 0)])
async def test_a_fence_set_while_a_call_is_decided_stops_it_at_the_next_look(
    effect: Effect, forwarded: int, tmp_path: Path
) -> None:
    log = FenceLog(tmp_path)

    class Fencing(Policy):
        def decide(self, question: AccessRequest) -> Decision:
            log.fence(Fence("agent", WHO.agent, "operator:ada", "strange", 5))
            return self.decision

    world = World(Fencing(effect), bounds=Bounds(NoGrants(), LiveFences(FenceLog(tmp_path))))
    assert reason(await world.call()) == "fenced"
    assert len(world.server.got) == forwarded


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_what_a_server_answered_is_withheld_once_a_fence_has_fallen(
    effect: Effect, tmp_path: Path
) -> None:
    """Also where the answer came before the fence was seen by anybody."""
    log = FenceLog(tmp_path)
    world = World(Policy(effect), bounds=Bounds(NoGrants(), LiveFences(log)))
    world.server.gate.clear()
    call = await under_way(world)
    log.fence(Fence("server", "s", "operator:ada", "strange", 5))
    world.server.gate.set()
    answer = await call
    assert (answer.result, reason(answer)) == (None, "fenced")
    assert world.states() == [("call1", "intent"), ("call1", "applied")]


async def test_what_a_server_says_after_a_call_is_withheld_once_a_fence_stops_that_call(
    tmp_path: Path,
) -> None:
    log, told = FenceLog(tmp_path), list[str]()
    world = World(bounds=Bounds(NoGrants(), LiveFences(log)))
    ear = Ear(Over(), lambda _, params, *__: told.append(params["data"]))
    params: JsonObject = {"name": "s__t", "arguments": {"x": 1}}
    client = ClientFacts("2025-11-25")
    asked = Request(Endpoint("all"), WHO, Era.SESSIONS, 1, "tools/call", params, client, ear=ear)
    await world.line.call(asked, Deaf())
    [(_, message)] = world.server.got
    assert message.ear is not None
    message.ear.tell("notifications/message", {"data": "heard"})
    log.fence(Fence("server", "s", "operator:ada", "strange", 5))
    message.ear.tell("notifications/message", {"data": "withheld"})
    assert told == ["heard"]


async def test_a_write_that_is_fenced_while_its_intent_is_written_is_not_forwarded(
    tmp_path: Path,
) -> None:
    fences = LiveFences(FenceLog(tmp_path))
    world = World(bounds=Bounds(NoGrants(), fences))
    world.journal.hold()
    call = asyncio.ensure_future(world.call())
    await turns()
    FenceLog(tmp_path).fence(Fence("agent", WHO.agent, "operator:ada", "strange", 5))
    fences.standing()  # some other call has seen it by now
    world.journal.release()
    assert reason(await call) == "fenced"
    assert world.server.got == []
    assert world.states() == [("call1", "intent"), ("call1", "rejected")]


async def test_a_read_is_forwarded_at_once_and_answered_only_when_its_lines_are_durable() -> None:
    world = World(Policy(Effect.READ, Tier.DATA))
    world.journal.hold()
    call = await under_way(world)
    await turns()
    assert not call.done()
    world.journal.release()
    assert (await call).result == {"content": []}


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_with_a_broken_journal_nothing_is_forwarded(effect: Effect) -> None:
    world = World(Policy(effect))
    world.journal.broken = "disk full"
    answer = await world.call()
    assert reason(answer) == "journal_unavailable"
    assert world.server.got == []


async def test_a_write_whose_intent_fails_to_reach_the_disk_is_not_forwarded() -> None:
    world = World()
    world.journal.hold()
    call = asyncio.ensure_future(world.call())
    await asyncio.sleep(0)
    world.journal.broken = "disk full"
    world.journal.release()
    assert reason(await call) == "journal_unavailable"
    assert world.server.got == []


async def test_a_success_that_cannot_be_recorded_is_not_told() -> None:
    world = World()
    world.server.gate.clear()
    call = await under_way(world)
    world.journal.broken = "disk full"
    world.server.gate.set()
    answer = await call
    assert answer.result is None
    assert reason(answer) == "outcome_unknown"


async def test_an_agent_that_goes_away_before_the_forward_leaves_nothing_open() -> None:
    world = World()
    world.journal.hold()
    call = asyncio.ensure_future(world.call())
    await turns()
    call.cancel()
    await asyncio.wait([call])
    world.journal.release()
    assert world.server.got == []
    assert world.states() == [("call1", "intent"), ("call1", "rejected")]


async def test_a_read_that_was_answered_is_on_record_though_its_agent_went_away() -> None:
    world = World(Policy(Effect.READ, Tier.DATA))
    world.journal.hold()
    call = await under_way(world)
    await turns()
    call.cancel()
    await asyncio.wait([call])
    world.journal.release()
    assert world.states() == [("call1", "intent"), ("call1", "applied")]


async def test_what_is_forwarded_beside_the_arguments_is_on_record() -> None:
    world = World()
    more: dict[str, Any] = {"inputResponses": {"q": {"action": "accept"}}, "vendor": 1}
    await world.call(**more)
    [(_, message)] = world.server.got
    recorded = json.loads(world.journal.memory.events[0].body)["record"]
    assert message.params["vendor"] == 1
    assert recorded["arguments"] == {"x": 1}
    assert recorded["beside"] == more


async def test_a_call_that_is_about_no_task_says_of_none_how_it_ended() -> None:
    world = World(Policy(Effect.READ), Server(Outcome("ok", {"status": "completed"})))
    await world.call()
    assert json.loads(world.journal.memory.events[-1].body)["body"] == {"outcome": "ok"}


async def test_a_method_without_end_is_on_record_in_part() -> None:
    world = World()
    await world.call(method="m" * 1_000_000)
    recorded = json.loads(world.journal.memory.events[0].body)["record"]
    assert recorded["method"] == "m" * 200


async def test_a_wire_that_breaks_its_word_leaves_the_call_in_doubt() -> None:
    world = World(server=Server(RuntimeError("secret detail")))
    answer = await world.call()
    assert reason(answer) == "outcome_unknown"
    assert "secret detail" not in str(answer)
    assert world.states()[-1] == ("call1", "in_doubt")


async def test_a_failure_of_ours_after_the_forward_is_never_told_as_nothing_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> JsonObject:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("gateway.core.settle.outcome_body", broken)
    world = World()
    answer = await world.call()
    assert len(world.server.got) == 1
    assert reason(answer) == "outcome_unknown"
    assert world.states() == [("call1", "intent"), ("call1", "in_doubt")]


async def test_a_failure_of_ours_after_the_outcome_was_written_leaves_it_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> Answer:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("gateway.core.settle.answered", broken)
    world = World()
    assert reason(await world.call()) == "outcome_unknown"
    assert world.states() == [("call1", "intent"), ("call1", "applied")]


REFUSALS: dict[str, tuple[Callable[[], World], str]] = {
    "unknown": (World, "s__nope"),
    "denied": (lambda: World(Policy(decision=Decision(False, Reason.NO_RULE))), "s__t"),
    "denied by rule": (
        lambda: World(Policy(decision=Decision(False, Reason.DENIED_BY_RULE, "D1", RULE))),
        "s__t",
    ),
    "unclassified": (
        lambda: World(Policy(classification=Refused(Reason.UNCLASSIFIED, "no line"))),
        "s__t",
    ),
    "other tier": (lambda: World(Policy(tier=Tier.ADMIN)), "s__t"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_whatever_hides_a_tool_it_is_refused_in_the_same_words_and_on_record(
    case: str,
) -> None:
    make, name = REFUSALS[case]
    world = make()
    answer = await world.call(name)
    assert answer.error is not None
    error = answer.error
    assert (error.code, error.message) == (-32602, f"Not available: {name}")
    assert error.data == {"reason": "not_available", "call": "call1"}
    assert answer.http_status == 400
    assert world.server.got == []
    assert world.states() == [("call1", "refused")]
    assert world.pace.since == [100]  # it leaves at a moment that follows from when it came


async def test_what_hides_nothing_is_not_held_back() -> None:
    world = World()
    await world.call()
    world.problem = "arguments/x: must be of type string"
    await world.call()
    assert world.pace.since == []


async def test_the_operator_reads_which_rule_denied_and_where() -> None:
    world = World(Policy(decision=Decision(False, Reason.DENIED_BY_RULE, "D1", RULE)))
    await world.call()
    row = world.journal.reader().call("call1")
    assert row is not None
    assert (row.record.rule, row.record.where) == ("D1", "policies/policy.csv:3")
    assert row.outcome["reason"] == "denied_by_rule"


async def test_how_long_a_decision_took_is_told_of_calls_that_pass() -> None:
    world, denied = World(), World(Policy(decision=Decision(False, Reason.NO_RULE)))
    await world.call()
    await denied.call()
    assert len(world.line.decisions) == 1
    assert world.line.decisions[0] > 0
    assert not denied.line.decisions


async def test_bad_arguments_are_told_only_to_who_may_call() -> None:
    allowed, denied = World(), World(Policy(decision=Decision(False, Reason.NO_RULE)))
    allowed.problem = denied.problem = "arguments/x: must be of type string"
    told, hidden = await allowed.call(), await denied.call()
    assert told.result is not None
    assert told.result["isError"] is True
    assert "must be of type string" in told.result["content"][0]["text"]
    assert reason(hidden) == "not_available"
    assert allowed.server.got == denied.server.got == []


async def test_a_call_that_cannot_be_described_is_refused_and_recorded_without_its_arguments() -> (
    None
):
    world = World()
    world.protector.fault = RuntimeError("bug")
    answer = await world.call(arguments={"password": "hunter2"})
    assert reason(answer) == "internal"
    assert world.states() == [("call1", "refused")]
    assert b"hunter2" not in world.journal.memory.events[0].body
    assert world.server.got == []


class Marking(Policy):
    """The journal may not keep `x`."""

    def marks(self, classified: Classified | None) -> Mapping[str, Mark]:
        return {"/x": "redacted"}


@pytest.mark.parametrize("case", [*REFUSALS, "malformed", "fenced"])
async def test_however_far_a_refused_call_came_what_is_marked_is_not_kept(
    case: str, tmp_path: Path
) -> None:
    make, name = REFUSALS.get(case, (World, "s__t"))
    policy, log = make().policy, FenceLog(tmp_path)
    policy.__class__ = Marking
    if case == "fenced":
        log.fence(Fence("agent", WHO.agent, "operator:ada", "strange", 5))
    bounds = Bounds(NoGrants(), LiveFences(log))
    world = World(policy, bounds=bounds, protector=Protector.open(tmp_path))
    more = {"Name": name} if case == "malformed" else {}
    answer = await world.call(name, {"x": "blue elephant", "y": "is kept"}, **more)
    kept = json.loads(world.journal.memory.events[0].body)["record"]["arguments"]
    assert answer.error is not None
    assert world.states() == [("call1", "refused")]
    assert (kept["x"].keys(), kept["y"]) == ({"redacted"}, "is kept")


async def test_a_secret_in_a_name_nobody_has_is_on_record_nowhere(tmp_path: Path) -> None:
    world = World(protector=Protector.open(tmp_path))
    await world.call("s__t?password=hunter2hunter2")
    assert world.states() == [("call1", "refused")]
    assert b"s__t?" in world.journal.memory.events[0].body
    assert b"hunter2" not in world.journal.memory.events[0].body


async def test_an_obligation_nobody_fulfils_is_a_no() -> None:
    duty = Obligation("approve", "O1", RULE)
    world = World(Policy(decision=Decision(True, Reason.ALLOWED_BY_RULE, "P1", RULE, "", (duty,))))
    assert reason(await world.call()) == "not_available"
    assert world.server.got == []
    assert world.journal.reader().call("call1") is not None
    assert State.REFUSED == world.journal.memory.calls["call1"].state


async def test_a_write_is_prepared_before_its_intent_and_let_go_after_its_outcome() -> None:
    world = World()
    await world.call()
    [first, _] = world.journal.memory.events
    asked = [*dict.fromkeys(world.reversing.asked)]
    assert asked == [("call1", "prepare"), ("", "settle ok"), ("call1", "release")]
    assert json.loads(first.body)["body"] == {"undo": {"level": "exact"}}


@pytest.mark.parametrize(("kind", "let_go"), [("ok", True), ("in_doubt", False)])
async def test_leases_are_let_go_behind_the_outcome_when_that_is_queued_unless_it_is_in_doubt(
    kind: OutcomeKind, let_go: bool
) -> None:
    """Nobody hears of either before the line is durable."""
    world = World()
    world.server.gate.clear()
    world.server.outcome = Outcome(kind, result={"content": []})
    call = asyncio.ensure_future(world.call())
    async with asyncio.timeout(20):
        await world.server.reached.wait()
        world.journal.hold()
        world.server.gate.set()
        await turns()
        asked, done = [*world.reversing.asked], call.done()
        world.journal.release()
        await call
    assert (("call1", "release") in asked, done) == (let_go, False)
    assert ("call1", "release") in world.reversing.asked


async def test_a_read_is_neither_prepared_nor_settled_nor_asked_twice() -> None:
    world = World(Policy(Effect.READ, Tier.DATA))
    await world.call()
    assert world.reversing.asked == []
    assert [question.level for question in world.policy.asked] == ["read"]


async def test_the_policy_is_asked_again_when_the_level_is_known() -> None:
    world = World()
    await world.call()
    assert [(q.level, q.guard) for q in world.policy.asked] == [
        (None, None),
        (None, None),
        ("exact", "cas"),
    ]


async def test_a_call_that_cannot_be_undone_far_enough_is_refused_and_not_forwarded() -> None:
    class Strict(Policy):
        def decide(self, question: AccessRequest) -> Decision:
            super().decide(question)
            if question.level in (None, "exact"):
                return ALLOWED
            return Decision(False, Reason.NO_RULE, near_miss="when undoable")

    world = World(Strict())
    world.reversing.reversal = Reversal(Level.NONE, why="no pack", heard="no such table")
    answer = await world.call()
    assert reason(answer) == "not_reversible"
    assert world.server.got == []
    assert world.states() == [("call1", "refused")]
    refusal = str(world.journal.memory.events[0].body)
    assert "no pack; its tool server said: no such table; when undoable" in refusal
    assert "no pack" not in str(answer) and "no such table" not in str(answer)
    assert world.reversing.asked == [("call1", "prepare"), ("call1", "release")]


async def test_a_resource_that_is_not_free_refuses_the_call() -> None:
    world = World()
    world.reversing.refuses = Refused(Reason.OVERLOADED, "file:/a is held")
    answer = await world.call()
    assert reason(answer) == "overloaded"
    assert world.server.got == []
    assert world.reversing.asked[-1] == ("call1", "release")


async def test_where_no_time_passes_only_the_level_is_decided_on_again() -> None:
    world = World()
    looked: list[str] = []
    world.line._check = lambda _: looked.append("arguments")
    world.reversing.without_a_wait = Ready(world.reversing.reversal, {}, looks=False)
    answer = await world.call()
    assert answer.result == {"content": []}
    assert [asked.level for asked in world.policy.asked] == [None, "exact"]
    assert looked == ["arguments"]
    assert world.reversing.asked[0] == ("", "settle ok")


async def test_a_level_that_is_known_at_once_is_still_decided_on() -> None:
    class Strict(Policy):
        def decide(self, question: AccessRequest) -> Decision:
            known = super().decide(question)
            return known if question.level is None else Decision(False, Reason.DENIED_BY_RULE)

    world = World(Strict())
    world.reversing.without_a_wait = Ready(world.reversing.reversal, {})
    assert reason(await world.call()) == "not_reversible"
    assert (world.server.got, world.reversing.asked) == ([], [("call1", "release")])


async def test_a_write_nobody_looks_at_again_is_settled_where_its_agent_is_gone() -> None:
    world = World()
    world.reversing.without_a_wait = Ready(world.reversing.reversal, {}, looks=False)
    world.server.gate.clear()
    call = await under_way(world)
    world.journal.hold()
    world.server.gate.set()
    await turns()
    call.cancel()
    await turns()
    gone = call.done()
    world.journal.release()
    await turns()
    assert gone
    assert world.states() == [("call1", "intent"), ("call1", "applied")]
    assert world.reversing.asked[-1] == ("call1", "release")


async def test_leases_the_journal_cannot_take_refuse_the_call() -> None:
    world = World()
    world.reversing.refuses = JournalError("disk full")
    answer = await world.call()
    assert (reason(answer), world.server.got, world.states()) == ("journal_unavailable", [], [])


async def test_a_name_that_became_another_tools_meanwhile_is_not_forwarded() -> None:
    world = World()

    async def prepare(call_id: str, classified: Classified, secret: bool) -> Ready:
        other = Entry(Target("s", "tool", "u"), "s__t", {"name": "u"}, "sha256:e")
        world.current = Table("2", Shelf(tools={"s__t": other}), {})
        return Ready(world.reversing.reversal, {})

    world.reversing.prepare = prepare  # type: ignore[method-assign]
    assert reason(await world.call()) == "not_available"
    assert world.server.got == []


async def test_a_server_nobody_has_looked_at_yet_is_looked_at_first_and_decided_on_anew() -> None:
    world = World()
    world.unseen = frozenset({"s"})

    async def seen(server: str) -> None:
        world.current = Table("2", Shelf(), {})  # what was approved is gone

    world.seen = seen  # type: ignore[method-assign]
    assert reason(await world.call()) == "not_available"
    assert world.server.got == []


async def test_only_who_may_call_waits_for_a_server_to_be_looked_at() -> None:
    world = World()
    world.unseen = frozenset({"s"})
    world.policy.decision = Decision(False, Reason.NO_RULE)
    waited: list[str] = []

    async def seen(server: str) -> None:
        waited.append(server)

    world.seen = seen  # type: ignore[method-assign]
    assert reason(await world.call()) == "not_available"
    assert waited == []


async def test_a_policy_that_changed_while_the_world_was_read_decides() -> None:
    world = World()

    async def prepare(call_id: str, classified: Classified, secret: bool) -> Ready:
        world.policy.decision = Decision(False, Reason.DENIED_BY_RULE, "D1", RULE)
        return Ready(world.reversing.reversal, {})

    world.reversing.prepare = prepare  # type: ignore[method-assign]
    assert reason(await world.call()) == "not_available"
    assert world.server.got == []


@pytest.mark.parametrize("state", [State.NO_EFFECT, State.IN_DOUBT, State.FAILED])
async def test_what_the_world_says_goes_on_record_and_the_agent_hears_the_server(
    state: State,
) -> None:
    world = World()
    world.reversing.settles = Settled(state, world.reversing.reversal)
    answer = await world.call()
    assert answer.result == {"content": []}
    assert world.states() == [("call1", "intent"), ("call1", str(state))]


@pytest.mark.parametrize("state", ["applied", "in_doubt"])
@pytest.mark.parametrize("cancels", [1, 3])
async def test_an_agent_that_leaves_while_the_world_is_read_again_leaves_no_call_unsettled(
    state: str, cancels: int
) -> None:
    """However often it says so: before the end of its call (in doubt then), or after."""
    world = World()
    looking, look = asyncio.Event(), asyncio.Event()
    settle = world.reversing.settle

    async def slow(prepared: Ready, outcome: Outcome) -> Settled:
        looking.set()
        await look.wait()
        return await settle(prepared, outcome)

    world.reversing.settle = slow  # type: ignore[method-assign]
    async with asyncio.timeout(20):
        if state == "in_doubt":
            world.server.gate.clear()
            call = await under_way(world)
            call.cancel()
        else:
            call = asyncio.create_task(world.call())
        await looking.wait()
        for _ in range(cancels):
            call.cancel()
            await turns()
        held = ("call1", "release") not in world.reversing.asked
        look.set()
        await asyncio.gather(call, return_exceptions=True)
    assert world.states() == [("call1", "intent"), ("call1", state)]
    assert held and world.reversing.asked[-1] == ("call1", "release")
    assert call.cancelled()


async def test_a_write_whose_agent_goes_away_is_in_doubt_and_let_go_as_such() -> None:
    world = World()
    world.server.gate.clear()
    call = await under_way(world)
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    assert world.states() == [("call1", "intent"), ("call1", "in_doubt")]
    assert world.reversing.asked[1:] == [("", "settle in_doubt"), ("call1", "release")]


async def test_a_word_about_a_task_is_decided_at_the_level_of_the_call_that_made_it() -> None:
    world = World(server=Server(Outcome("ok", {"resultType": "task", "taskId": "task-1"})))
    entry = _entry("t")
    world.current = Table("1", Shelf(tools={"s__t": entry}), {"s": Shelf(tools={"t": entry})})
    await world.call()
    duty = Obligation("approve", "O1", RULE)
    world.policy.decision = Decision(True, Reason.ALLOWED_BY_RULE, "P1", RULE, "", (duty,))
    client = ClientFacts("2026-07-28", {"extensions": {EXTENSION: {}}})
    params = {"taskId": "task-1"}
    about = Request(Endpoint("all"), WHO, Era.STATELESS, 2, "tasks/get", params, client)
    async with asyncio.timeout(20):
        answer = await world.line.call(about, Deaf())
    assert answer.error is None
    assert (world.policy.asked[-1].level, world.policy.asked[-1].guard) == ("exact", "cas")
    assert world.policy.asked[-1].arguments == {"x": 1}
    # What it changes was leased and looked at by the call that made the task.
    assert [what for _, what in world.reversing.asked].count("prepare") == 1


@pytest.mark.parametrize("status", [[], {}, None, 1, "working"])
async def test_whatever_a_server_calls_the_state_of_a_task_its_word_is_passed_on(
    status: Any,
) -> None:
    made = {"resultType": "task", "taskId": "task-1", "content": []}
    world = World(Policy(Effect.READ, Tier.DATA), Server(Outcome("ok", made)))
    entry = _entry("t")
    world.current = Table("1", Shelf(tools={"s__t": entry}), {"s": Shelf(tools={"t": entry})})
    await world.call()
    world.server.outcome = Outcome("ok", {"status": status})
    client = ClientFacts("2026-07-28", {"extensions": {EXTENSION: {}}})
    params = {"taskId": "task-1"}
    about = Request(Endpoint("all"), WHO, Era.STATELESS, 2, "tasks/get", params, client)
    async with asyncio.timeout(20):
        answer = await world.line.call(about, Deaf())
    assert answer.result == {"status": status}


async def test_rules_on_trial_stand_in_the_journal_and_nothing_of_them_in_the_answer() -> None:
    shadows = (Shadow("W1", RULE), Shadow("W2", RULE))
    world = World(Policy(decision=replace(ALLOWED, shadows=shadows)))
    answer = await world.call()
    assert answer.result == {"content": []}
    first = json.loads(world.journal.memory.events[0].body)["record"]
    assert (first["rule"], first["shadows"]) == ("P001", "W1 W2")


async def test_a_write_refused_once_its_level_was_known_is_written_with_it() -> None:
    world = World()
    first = world.policy.decide

    def decide(question: AccessRequest) -> Decision:
        again = question.level is not None
        return Decision(False, Reason.NO_RULE) if again else first(question)

    world.policy.decide = decide  # type: ignore[method-assign]
    assert reason(await world.call()) == "not_reversible"
    body = json.loads(world.journal.memory.events[0].body)["body"]
    assert (body["level"], body["guard"]) == ("exact", "cas")
