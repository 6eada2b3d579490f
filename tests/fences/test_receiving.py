"""A security event counts as taken once all that follows from it is done."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from gateway.core import record
from gateway.core.event import SecurityEvent
from gateway.core.fence import Caught
from gateway.core.grant import Give
from gateway.errors import JournalError
from gateway.fences.desk import Desk
from gateway.fences.log import FenceLog
from gateway.fences.once import Once
from gateway.fences.receiving import Receiving
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.values import replace
from tests.grants.given import NOON, grant
from tests.journals.calls import call_record

EVENT = SecurityEvent("corp", "e1", ("agent:a",), "session-revoked", ("local",))


class Hears:
    """Believes all it is told, and is always told the same."""

    def __init__(self, event: SecurityEvent) -> None:
        self._event = event

    def read(self, text: str, now: int) -> SecurityEvent:
        return self._event

    async def refreshed(self, text: str) -> bool:
        return False


class Failing:
    """A journal that takes no line the first time."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._failed = False

    def append(self, line: record.Line) -> Any:
        if not self._failed:
            self._failed = True
            raise JournalError("the disk is full")
        return self._journal.append(line)


def _receiving(home: Path, journal: SqliteJournal, writes: Any, event: SecurityEvent) -> Receiving:
    """Over this journal; its desk writes to that."""
    protector, ids = Protector.open(home), itertools.count()
    desk = Desk(
        log=FenceLog(home),
        journal=writes,
        reader=SqliteReader(home / "journal.db"),
        grants=journal.grants(),
        tickets=journal.tickets(),
        protector=protector,
        tenant="local",
        clock=lambda: NOON + 1,
        new_call_id=lambda: f"call{next(ids)}",
    )
    remembered = journal.remembered(protector)
    once = Once(home / "events.lock")
    return Receiving(Hears(event), desk, remembered, once, desk.clock, lambda no: None)


async def test_an_agent_whose_tenant_cannot_be_told_is_stopped_in_every_tenant(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        event = replace(EVENT, tenants=())
        await _receiving(tmp_path, journal, journal, event).take("event")
        await journal.aclose()
    [fence] = FenceLog(tmp_path).read()
    assert all(Caught("agent:a", one, "t").by(fence) for one in ("local", "other"))
    assert not Caught("agent:b", "local", "t").by(fence)


async def test_an_event_that_was_not_seen_through_is_when_it_is_delivered_again(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        given = replace(grant("g1"), agent="agent:a", tenant="local")
        line = record.noted(call_record("given"), NOON, {}, (Give(given),))
        await journal.append(line).sealed()
        grants = journal.grants()
        receiving = _receiving(tmp_path, journal, Failing(journal), EVENT)
        with pytest.raises(JournalError):
            await receiving.take("event")
        await receiving.remembered.written()
        before = grants.find("g1")
        await receiving.take("event")
        after = grants.find("g1")
        await journal.aclose()
    assert before is not None and before.word(NOON + 1) == "active"
    assert after is not None and after.word(NOON + 1) == "revoked"


async def test_an_event_that_is_delivered_many_times_at_once_acts_once(tmp_path: Path) -> None:
    """And one delivered while its note was being written, after an operator has let go of its fence."""
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        receiving = _receiving(tmp_path, journal, journal, EVENT)
        await asyncio.gather(*(receiving.take("event") for _ in range(8)))
        [fence] = FenceLog(tmp_path).read()
        await receiving.desk.lift([fence], "ann", "it was me")
        await receiving.take("event")
        await journal.aclose()
    reader = SqliteReader(tmp_path / "journal.db")
    told = [raw for _, raw in reader.bodies(0, 1_000) if b'"fences/fenced"' in raw]
    assert FenceLog(tmp_path).read() == ()
    assert len(told) == 1
