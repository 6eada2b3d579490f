"""What was listed the last time: kept, read back whole, and passed over when it cannot be."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from gateway.catalogue.earlier import EarlierLists
from gateway.catalogue.fetch import Lists, fetch_lists
from tests.catalogue.offering import OfferingServer, tool


async def listed(*tools: str) -> Lists:
    server = OfferingServer(
        "files", tool=[tool(name, vendor=[1.5, None, "\x00"]) for name in tools]
    )
    async with asyncio.timeout(20):
        return await fetch_lists("files", server, 20)


async def test_lists_come_back_as_they_were(tmp_path: Path) -> None:
    lists = await listed("read", "write")
    EarlierLists(tmp_path / "catalogue").save("files", lists)
    again = EarlierLists(tmp_path / "catalogue").load("files")
    assert again == lists
    assert (tmp_path / "catalogue" / "files.json").stat().st_mode & 0o777 == 0o600


async def test_two_processes_that_save_at_once_leave_one_of_the_two_whole(tmp_path: Path) -> None:
    both = [await listed(*(f"{which}{n}" for n in range(400))) for which in ("a", "b")]
    found = []
    with ThreadPoolExecutor(2) as processes:
        for _ in range(4):
            [*processes.map(partial(EarlierLists(tmp_path).save, "files"), both)]
            found.append(EarlierLists(tmp_path).load("files") in both)
    assert all(found)


def test_a_server_nobody_has_seen_has_none(tmp_path: Path) -> None:
    assert EarlierLists(tmp_path).load("files") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"v": 2}', '{"v": 1, "kinds": []}', "[" * 100_000]
)
def test_a_file_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "files.json").write_text(text)
    assert EarlierLists(tmp_path).load("files") is None


async def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "catalogue").write_text("a file")
    EarlierLists(tmp_path / "catalogue").save("files", await listed("read"))
    assert (tmp_path / "catalogue").read_text() == "a file"
