"""Deadlines are looked at beside the calls, and kept by a process of its own, whose exit status says how it went."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from gateway.app import undo
from gateway.settings import Settings
from gateway.undo.deadlines import Deadlines, Looked
from gateway.wire.servers import process


async def _kept(place: Path, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a keeper that closes its output first, and ends once that was seen."""
    gate, keeper = place / "gate", place / "keeper"
    os.mkfifo(gate)
    keeper.write_text(f"#!/bin/sh\necho no room >&2\nexec >&-\nread _ <{gate}\nexit {status}\n")
    keeper.chmod(0o755)
    monkeypatch.setattr(undo, "sys", SimpleNamespace(executable=str(keeper)))
    monkeypatch.setattr(process, "END_PATIENCE", 0.0)
    with anyio.fail_after(20):
        kept = asyncio.create_task(undo._kept_apart(place / "bulkhead.yaml"))
        opened = await asyncio.to_thread(gate.open, "wb")
        await asyncio.sleep(0)
        opened.close()
        await kept


async def test_a_keeper_that_ends_well_has_kept_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _kept(tmp_path, 0, monkeypatch)


async def test_a_keeper_that_fails_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ChildProcessError, match="no room"):
        await _kept(tmp_path, 2, monkeypatch)


async def test_agents_are_answered_while_deadlines_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a file of every task that was ever begun."""
    begun, answered = threading.Event(), threading.Event()
    held_up = list[bool]()

    def look(self: Deadlines) -> Looked:
        begun.set()
        held_up.append(not answered.wait(5))
        return Looked((), ())

    monkeypatch.setattr(Deadlines, "look", look)
    monkeypatch.setattr(undo, "LOOK_SECONDS", 0.0)
    settings = Settings(servers={}, home=str(tmp_path))
    keeping = asyncio.create_task(undo.keep_deadlines(settings, tmp_path / "bulkhead.yaml"))
    with anyio.fail_after(20):
        await asyncio.to_thread(begun.wait, 10)
        answered.set()
        while not held_up:
            await asyncio.sleep(0)
        keeping.cancel()
        await asyncio.wait([keeping])
    assert held_up[0] is False


async def test_a_file_that_is_no_promise_is_logged_once_while_it_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    torn = tmp_path / ".bulkhead" / "tasks" / "torn.json"
    torn.parent.mkdir(parents=True)
    torn.write_text("{")
    looks = list[int]()

    async def wait(seconds: float) -> None:
        looks.append(1)
        if len(looks) > 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(undo, "asyncio", SimpleNamespace(sleep=wait, to_thread=asyncio.to_thread))
    settings = Settings(servers={}, home=str(tmp_path))
    with anyio.fail_after(20), pytest.raises(asyncio.CancelledError):
        await undo.keep_deadlines(settings, tmp_path / "bulkhead.yaml")
    assert caplog.text.count("torn.json") == 1
