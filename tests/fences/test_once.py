"""What is done once is done by one at a time, of all tasks of all processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from gateway.errors import JournalError, Misconfigured
from gateway.fences import once as module
from gateway.fences.once import Once

HOLDER = """
import asyncio, sys
from pathlib import Path
from gateway.fences.once import Once
async def hold():
    async with Once(Path(sys.argv[1])).alone(sys.argv[2]):
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
asyncio.run(hold())
"""


@contextmanager
def held_elsewhere(path: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """Another process is in it."""
    command = [sys.executable, "-c", HOLDER, str(path), name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


async def test_one_task_at_a_time_is_in_it_for_a_name(tmp_path: Path) -> None:
    once, inside, most = Once(tmp_path / "lock"), 0, 0

    async def enter() -> None:
        nonlocal inside, most
        async with once.alone("e1"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    with anyio.fail_after(20):
        await asyncio.gather(*(enter() for _ in range(20)))
    assert most == 1
    once.close()


async def test_another_process_is_waited_for_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    once = Once(tmp_path / "lock")
    with held_elsewhere(tmp_path / "lock", "e1") as process, anyio.fail_after(20):
        async with once.alone("e2"):
            pass
        waiting = asyncio.create_task(_enter(once))
        await asyncio.sleep(0)
        assert not waiting.done()
        process.kill()
        await waiting
    once.close()


async def test_who_is_never_through_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.1)
    once = Once(tmp_path / "lock")
    with held_elsewhere(tmp_path / "lock", "e1"), anyio.fail_after(20):
        with pytest.raises(JournalError):
            await _enter(once)
    async with once.alone("e1"):
        pass
    once.close()


async def _enter(once: Once) -> None:
    async with once.alone("e1"):
        pass


def test_a_file_that_cannot_be_opened_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "events.lock").mkdir()
    with pytest.raises(Misconfigured, match=r"events\.lock: security events: Is a directory"):
        Once(tmp_path / "events.lock")
