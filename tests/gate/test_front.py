"""The gate: whoever comes first after an issuer has changed its key is answered, and nobody waits for nothing."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from weakref import ref

import pytest

from gateway.core.fence import Fence
from gateway.core.frame import Frame
from gateway.core.model import (
    Answer,
    ClientFacts,
    Endpoint,
    Era,
    Evidence,
    JsonObject,
    Request,
    Tier,
    WorkloadIdentity,
)
from gateway.errors import Refused
from gateway.fences.live import LiveFences
from gateway.fences.log import FenceLog
from gateway.gate.front import SMALL, FrontGate
from gateway.gate.receipts import Receipts
from gateway.line.bounds import Bounds
from gateway.line.way import Way
from gateway.reasons import Reason
from gateway.values import replace
from tests.catalogue.offering import asks, at
from tests.free import NoGrants

EVIDENCE = Evidence(("Bearer x",), Endpoint("all"))
CALL = {"name": "git__log", "arguments": {}}
WHO = WorkloadIdentity("i", "agent:a", "local", "T", "general", frozenset({Tier.DATA}), "j", 1)


@dataclass
class Verifier:
    """Says these answers in order, and remembers that it was asked to look again."""

    answers: list[Any]
    can_look: bool = True
    looked: int = 0
    known: WorkloadIdentity | None = None

    def verify(self, evidence: Evidence, now: int) -> WorkloadIdentity:
        answer = self.answers.pop(0)
        if isinstance(answer, Reason):
            raise Refused(answer)
        assert isinstance(answer, WorkloadIdentity)
        return answer

    def recall(self, evidence: Evidence, now: int) -> WorkloadIdentity | None:
        return self.known

    async def refreshed(self, evidence: Evidence) -> bool:
        self.looked += 1
        return self.can_look


@dataclass
class TurnedAway:
    noted: list[Reason] = field(default_factory=list)

    def note(self, endpoint: Endpoint, no: Refused) -> None:
        self.noted.append(no.reason)


def gate(verifier: Verifier, turned_away: TurnedAway, **given: Any) -> FrontGate:
    parts: dict[str, Any] = dict.fromkeys(
        ("line", "shelves", "policies", "bounds", "catalogue", "receipts")
    )
    return FrontGate(
        **{**parts, "seconds": lambda: 0, **given},
        watched={},
        verifier=verifier,
        turned_away=cast(Any, turned_away),
    )


@dataclass
class Starting:
    """A catalogue in which `files` was never looked at, and `git` is as it was the last time."""

    unseen: frozenset[str] = frozenset({"files", "git"})
    current: Any = field(default_factory=lambda: SimpleNamespace(about={"git": None}))
    waited_for: list[str] = field(default_factory=list)

    async def seen(self, server: str) -> None:
        self.waited_for.append(server)
        raise Refused(Reason.SERVER_UNAVAILABLE, "it did not come up")


@dataclass
class Lets:
    """Lets callers do something at `servers`, and nothing anywhere else."""

    servers: tuple[str, ...]

    @property
    def current(self) -> Lets:
        return self

    def reaches(self, who: WorkloadIdentity, server: str, tiers: frozenset[Tier]) -> bool:
        return server in self.servers


@pytest.mark.parametrize(
    ("endpoint", "lets", "waits"),
    [
        (at("files"), ("files",), ["files"]),
        (at("files"), (), []),  # it would tell that there is one
        (at("git"), ("git",), []),  # shown as it was the last time
        (at("none"), ("none",), []),
        (Endpoint("all"), ("files",), []),  # others are there
    ],
)
async def test_only_a_server_of_which_nothing_is_known_yet_is_waited_for(
    endpoint: Endpoint, lets: tuple[str, ...], waits: list[str]
) -> None:
    starting = Starting()
    front = gate(Verifier([]), TurnedAway(), catalogue=starting, policies=Lets(lets))
    await front.met(endpoint, WHO)
    assert starting.waited_for == waits


async def test_a_list_of_such_a_server_is_waited_for_too() -> None:
    starting = Starting()
    parts: dict[str, Any] = {
        "catalogue": starting,
        "policies": Lets(("files",)),
        "bounds": SimpleNamespace(standing=lambda who: None, towards=lambda who: None),
        "shelves": SimpleNamespace(list=lambda request, visible: Answer({"tools": []})),
    }
    asked = asks("tools/list", {}, at("files"))
    answer = await gate(Verifier([]), TurnedAway(), **parts).answer(asked, cast(Any, None))
    assert answer.result == {"tools": []} and starting.waited_for == ["files"]


async def test_the_first_call_after_a_rotation_is_answered() -> None:
    verifier, away = Verifier([Reason.UNKNOWN_KEY, WHO]), TurnedAway()
    assert await gate(verifier, away).identify(EVIDENCE) is WHO
    assert (verifier.looked, away.noted) == (1, [])


async def test_a_key_that_is_nowhere_is_looked_for_once_and_noted_once() -> None:
    verifier, away = Verifier([Reason.UNKNOWN_KEY, Reason.UNKNOWN_KEY]), TurnedAway()
    with pytest.raises(Refused):
        await gate(verifier, away).identify(EVIDENCE)
    assert (verifier.looked, away.noted) == (1, [Reason.UNKNOWN_KEY])


async def test_a_new_key_and_then_an_answer_are_waited_for_each_once() -> None:
    verifier, away = Verifier([Reason.UNKNOWN_KEY, Reason.ISSUER_SILENT, WHO]), TurnedAway()
    assert await gate(verifier, away).identify(EVIDENCE) is WHO
    assert (verifier.looked, away.noted) == (2, [])
    verifier = Verifier([Reason.ISSUER_SILENT, Reason.UNKNOWN_KEY, Reason.ISSUER_SILENT])
    with pytest.raises(Refused):
        await gate(verifier, away).identify(EVIDENCE)
    assert (verifier.looked, away.noted) == (2, [Reason.ISSUER_SILENT])


async def test_where_it_is_too_soon_to_look_nothing_is_verified_again() -> None:
    verifier, away = Verifier([Reason.UNKNOWN_KEY], can_look=False), TurnedAway()
    with pytest.raises(Refused):
        await gate(verifier, away).identify(EVIDENCE)
    assert away.noted == [Reason.UNKNOWN_KEY]


@pytest.mark.parametrize("reason", [Reason.BAD_TOKEN, Reason.NO_TOKEN, Reason.EXPIRED_TOKEN])
async def test_no_other_refusal_waits_for_anything(reason: Reason) -> None:
    verifier, away = Verifier([reason]), TurnedAway()
    with pytest.raises(Refused):
        await gate(verifier, away).identify(EVIDENCE)
    assert (verifier.looked, away.noted) == (0, [reason])


def test_who_is_known_again_is_noted_like_who_is_identified() -> None:
    noted: list[tuple[Evidence, WorkloadIdentity]] = []
    assert gate(Verifier([], known=WHO), TurnedAway()).recalled(EVIDENCE) is WHO
    verifier = Verifier([], known=WHO)
    front = gate(verifier, TurnedAway(), noted=lambda *shown: noted.append(shown))
    assert front.recalled(EVIDENCE) is WHO
    assert noted == [(EVIDENCE, WHO)]


def test_who_is_not_known_again_is_neither_noted_nor_turned_away() -> None:
    away, noted = TurnedAway(), list[Evidence]()
    front = gate(Verifier([]), away, noted=lambda evidence, _: noted.append(evidence))
    assert front.recalled(EVIDENCE) is None
    assert (away.noted, noted) == ([], [])


def test_a_token_has_so_long_left_as_the_gateways_own_clock_says() -> None:
    front = gate(Verifier([]), TurnedAway(), seconds=lambda: 100)
    left = [front.left(replace(WHO, expires_at=at)) for at in (160, 100, 40)]
    assert left == [60, 0, 0]


@dataclass
class Deciding:
    """A Line that refuses calls of these tasks, as where a server or the grant is fenced, or nothing is left."""

    refuses: set[str] = field(default_factory=set)

    def decided(self, way: Way) -> None:
        assert way.request.identity.expires_at > 0
        if way.request.identity.task in self.refuses:
            raise Refused(Reason.FENCED, "fenced: server git")


@dataclass
class Kept:
    """A gate with real fences, and an answer that it keeps for `WHO`."""

    log: FenceLog
    line: Deciding = field(default_factory=Deciding)
    params: JsonObject = field(default_factory=lambda: CALL)

    def __post_init__(self) -> None:
        bounds = Bounds(NoGrants(), LiveFences(self.log))
        self.gate = gate(Verifier([]), TurnedAway(), line=self.line, policies=self, bounds=bounds)
        request = replace(asks("tools/call", self.params), identity=WHO, era=Era.SESSIONS)
        self.may_have: Callable[[WorkloadIdentity], bool] = self.gate.keeps(request)

    current = None


def fence(scope: Any, value: str) -> Fence:
    return Fence(scope, value, "operator:ada", "strange", 5)


def test_what_is_kept_is_had_by_who_comes_back_while_nothing_is_fenced(tmp_path: Path) -> None:
    log = FenceLog(tmp_path)
    log.fence(fence("agent", "agent:b"))
    kept = Kept(log, Deciding({"T"}))  # all is spent by now: it is no matter
    assert kept.may_have(WHO)


@pytest.mark.parametrize("task", ["T", "another"])
@pytest.mark.parametrize(
    ("scope", "value"), [("agent", "agent:a"), ("tenant", "local"), ("task", "T"), ("all", "")]
)
def test_who_is_fenced_since_does_not_have_it_in_whatever_task_it_comes_back(
    tmp_path: Path, scope: str, value: str, task: str
) -> None:
    kept = Kept(FenceLog(tmp_path))
    fallen, asker = fence(scope, value), replace(WHO, task=task)
    kept.log.fence(fallen)
    fenced = kept.may_have(asker)
    kept.log.lift([fallen], "operator:ada", "", 6)
    assert (fenced, kept.may_have(asker)) == (False, True)


class Params(dict[str, Any]):
    """Of which it can be told whether anybody has them still."""


@pytest.mark.parametrize("size", [10, 2 * SMALL])
def test_a_large_request_is_not_kept_with_its_answer_which_any_fence_then_keeps_back(
    tmp_path: Path, size: int
) -> None:
    """An agent may leave 64 answers in each of its sessions."""
    kept = Kept(FenceLog(tmp_path), params=Params(CALL, arguments={"text": "x" * size}))
    held = ref(kept.params)
    kept.params = {}
    gc.collect()
    had = kept.may_have(WHO)
    kept.log.fence(fence("server", "git"))
    is_small = size < SMALL
    assert (had, kept.may_have(WHO), held() is not None) == (True, is_small, is_small)


@pytest.mark.parametrize("could_be_made_now", [True, False])
def test_after_any_other_fence_it_is_had_if_the_call_could_be_made_now(
    tmp_path: Path, could_be_made_now: bool
) -> None:
    kept = Kept(FenceLog(tmp_path), Deciding(set() if could_be_made_now else {"T"}))
    kept.log.fence(fence("server", "git"))
    assert kept.may_have(WHO) is could_be_made_now


@dataclass
class Says:
    """A Line that says this to whatever it is asked."""

    answer: Answer

    async def call(self, request: Request, channel: Any) -> Answer:
        return self.answer


DONE = Answer({"content": []}, call_id="called")
WAITING = Answer({"content": [], "isError": True}, ticket="t" * 25)


@pytest.mark.parametrize("said", [DONE, WAITING])
@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("endpoint", [at("git"), Endpoint("all")])
async def test_who_calls_by_a_frame_is_told_what_who_calls_without_one_is(
    said: Answer, links: bool, endpoint: Endpoint
) -> None:
    front = gate(Verifier([]), TurnedAway(), line=Says(said), receipts=Receipts(None))
    facts = ClientFacts("2026-07-28", {"elicitation": {"url": {}}} if links else {})
    asked = replace(asks("tools/call", CALL, endpoint), client=facts)
    told = await front.answer(asked, cast(Any, None))
    framed = replace(asked, frame=Frame())
    for _ in range(2):
        assert await front.answer(framed, cast(Any, None)) == told
