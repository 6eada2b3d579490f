"""Where sessions are kept: expiry by a clock of our own, bounds, and nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.model import Answer, ClientFacts, Endpoint, Tier
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.session import Session, Sessions, TooManySessions

ALL = Endpoint("all")
CLIENT = ClientFacts("2025-11-25")
ALICE = "issuer local agent:alice"
BOB = "issuer local agent:bob"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def store(**limits: float) -> tuple[Sessions, Clock]:
    clock = Clock()
    return Sessions(Limits(**limits), clock), clock  # type: ignore[arg-type]


def found(sessions: Sessions, session: Session) -> bool:
    return sessions.find(session.id, session.endpoint, session.owner) is session


def test_an_idle_session_ends_and_a_used_one_lives_on() -> None:
    sessions, clock = store(session_idle=10)
    idle, used = sessions.open(ALL, ALICE, CLIENT), sessions.open(ALL, ALICE, CLIENT)
    clock.now = 6
    assert found(sessions, used)
    clock.now = 11
    assert not found(sessions, idle)
    assert found(sessions, used)
    assert len([*sessions]) == 1


def test_who_asked_is_told_once_that_a_session_is_over_however_it_ends() -> None:
    sessions, clock = store(session_idle=10)
    told: list[str] = []
    deleted, idle = sessions.open(ALL, ALICE, CLIENT), sessions.open(ALL, ALICE, CLIENT)
    deleted.ear.over.then(lambda: told.append("deleted"))
    idle.ear.over.then(lambda: told.append("idle"))
    sessions.end(deleted)
    sessions.end(deleted)
    clock.now = 11
    sessions.sweep()
    idle.ear.over.then(lambda: told.append("late"))
    assert told == ["deleted", "idle", "late"]


async def test_a_session_with_work_or_a_reader_is_not_idle() -> None:
    sessions, clock = store(session_idle=10)
    working, read = sessions.open(ALL, ALICE, CLIENT), sessions.open(ALL, ALICE, CLIENT)
    work: asyncio.Task[Answer] = asyncio.ensure_future(asyncio.Future())
    working.running[1] = work
    read.open_readers = 1
    clock.now = 100
    assert found(sessions, working) and found(sessions, read)
    working.running.clear()
    read.open_readers = 0
    clock.now = 200
    sessions.sweep()
    assert len([*sessions]) == 0


def test_only_its_owner_at_its_endpoint_finds_a_session() -> None:
    sessions, _ = store()
    session = sessions.open(ALL, ALICE, CLIENT)
    assert found(sessions, session)
    assert sessions.find(session.id, ALL, BOB) is None
    assert sessions.find(session.id, ALL, "other local agent:alice") is None
    assert sessions.find(session.id, ALL, "issuer other agent:alice") is None
    assert sessions.find(session.id, Endpoint("tier", tier=Tier.ADMIN), ALICE) is None
    assert sessions.find(session.id[:-1], ALL, ALICE) is None


def test_past_its_share_a_principal_loses_its_own_oldest_idle_session() -> None:
    sessions, _ = store(max_sessions=10, max_sessions_each=2)
    bobs = sessions.open(ALL, BOB, CLIENT)
    first, second, third = (sessions.open(ALL, ALICE, CLIENT) for _ in range(3))
    assert [found(sessions, one) for one in (bobs, first, second, third)] == [
        True,
        False,
        True,
        True,
    ]
    second.open_readers = third.open_readers = 1
    with pytest.raises(TooManySessions):
        sessions.open(ALL, ALICE, CLIENT)
    assert found(sessions, sessions.open(ALL, BOB, CLIENT))


def test_altogether_there_are_only_so_many() -> None:
    sessions, _ = store(max_sessions=2)
    sessions.open(ALL, ALICE, CLIENT)
    last = sessions.open(ALL, ALICE, CLIENT)
    with pytest.raises(TooManySessions):
        sessions.open(ALL, BOB, CLIENT)
    sessions.end(last)
    sessions.end(last)
    assert found(sessions, sessions.open(ALL, BOB, CLIENT))


def test_ids_cannot_be_guessed() -> None:
    sessions, _ = store()
    ids = {sessions.open(ALL, ALICE, CLIENT).id for _ in range(200)}
    assert len(ids) == 200
    assert {len(id) for id in ids} == {32}


async def test_an_ended_session_cancels_its_work_and_answers_its_questions() -> None:
    sessions, _ = store()
    session = sessions.open(ALL, ALICE, CLIENT)
    loop = asyncio.get_running_loop()
    question: asyncio.Future[Answer] = loop.create_future()
    work = asyncio.create_task(asyncio.Event().wait())
    session.asked["a"] = question
    session.running[1] = work  # type: ignore[assignment]
    sessions.end(session)
    await asyncio.gather(work, return_exceptions=True)
    assert work.cancelled()
    assert question.result().error is not None
