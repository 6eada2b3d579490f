"""A gateway that finds its journal locked by another process says by which."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from gateway.errors import JournalError
from gateway.journals import sqlite, sqlitefile
from gateway.journals.holder import holder
from gateway.journals.sqlite import SqliteJournal
from tests.journals.calls import intent

pytestmark = pytest.mark.skipif(
    not Path("/proc/locks").exists(), reason="only Linux tells who holds a lock"
)

HOLDING = """
import sqlite3, sys
journal = sqlite3.connect(sys.argv[1], isolation_level=None)
journal.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


async def test_the_process_that_was_stopped_in_a_commit_is_named_and_once_it_ended_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlitefile, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(sqlite, "PROBE_SECONDS", 0)
    path = tmp_path / "journal.db"
    with anyio.fail_after(30):
        journal = await SqliteJournal.open(path)
        nobody = holder(path)
        other = subprocess.Popen(
            [sys.executable, "-c", HOLDING, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"held\n"
            other.send_signal(signal.SIGSTOP)
            with pytest.raises(JournalError) as told:
                await journal.append(intent("meanwhile")).sealed()
            other.kill()
        await journal.append(intent("after")).sealed()
        await journal.aclose()
    assert nobody is None
    assert f"another process keeps it locked, process {other.pid} (SQLITE_BUSY" in str(told.value)
