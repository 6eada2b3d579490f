"""The journal tests use can hold lines back and be broken, as a disk can be slow and full."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import JournalError
from gateway.journals.memory import MemoryJournal
from gateway.ports import CallFilter
from tests.journals.calls import intent, outcome


async def test_a_held_line_is_queued_and_not_sealed_until_it_is_released() -> None:
    journal = MemoryJournal()
    journal.hold()
    pending = journal.append(intent("call-1"))
    waiter = asyncio.ensure_future(pending.sealed())
    await asyncio.sleep(0)
    before = (waiter.done(), list(journal.reader().events(0, 10)))
    journal.release()
    async with asyncio.timeout(20):
        sealed = await waiter
    assert before == (False, [])
    assert (sealed.call_id, sealed.seq) == ("call-1", 1)


async def test_a_broken_journal_refuses_new_lines_and_fails_those_it_held() -> None:
    journal = MemoryJournal()
    await journal.append(intent("call-1")).sealed()
    journal.hold()
    held = journal.append(outcome("call-1"))
    journal.broken = "the disk is full"
    with pytest.raises(JournalError, match="disk is full"):
        journal.append(intent("call-2"))
    journal.release()
    with pytest.raises(JournalError, match="disk is full"):
        await held.sealed()
    journal.broken = None
    await journal.append(outcome("call-1")).sealed()
    [call] = journal.reader().calls(CallFilter(), 10)
    assert call.state == "applied"
