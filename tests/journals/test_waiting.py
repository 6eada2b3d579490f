"""An agent has no more calls waiting to be sent than there may be; others have theirs."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core import record
from gateway.errors import Refused
from gateway.journals import filing, waiting
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter
from gateway.values import replace
from tests.journals.calls import call_record


async def held(journal: SqliteJournal, name: str, agent: str, tenant: str = "local") -> str:
    """`held`, or the reason why it is not. All before it is filed."""
    await journal.do(filing.file)
    entry = replace(call_record(name), agent=agent, tenant=tenant)
    try:
        await journal.append(record.held(entry, 1, {})).sealed()
    except Refused as no:
        return str(no.reason)
    return "held"


async def test_one_agent_has_so_many_calls_waiting_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_HELD", 2)
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    async with asyncio.timeout(30):
        said = [await held(journal, f"call-{number}", "agent:a") for number in range(3)]
        others = [
            await held(journal, "call-b", "agent:b"),
            await held(journal, "call-c", "agent:a", "acme"),
        ]
        sent = record.after_hold("call-0", 2, record.State.CANCELLED, {})
        await journal.append(sent).sealed()
        again = await held(journal, "call-9", "agent:a")
        await journal.aclose()
    with closing(SqliteReader(tmp_path / "journal.db")) as reader:
        rows = reader.calls(CallFilter(state=record.State.HELD), 10)
    assert (said, others, again) == (["held", "held", "overloaded"], ["held", "held"], "held")
    assert {row.record.call_id for row in rows} == {"call-1", "call-9", "call-b", "call-c"}
