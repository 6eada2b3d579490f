from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from gateway.errors import JournalError
from gateway.journals.tilefile import TileFile


def test_tiles_are_kept_over_a_restart_and_replaced_as_they_fill(tmp_path: Path) -> None:
    file = TileFile(tmp_path / "evidence.db")
    assert file.last() == (0, b"")
    file.put([(0, 0, b"full"), (0, 1, b"part"), (1, 0, b"up")])
    file.put([(0, 1, b"fuller")])
    file.close()
    again = TileFile(tmp_path / "evidence.db")
    assert (again.last(), again.tile(1, 0), again.tile(1, 1)) == ((1, b"fuller"), b"up", b"")


def test_it_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(TileFile(tmp_path / "evidence.db")) as file:
            file.keep(1, 0, "note")
            modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.glob("*.db*")}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("evidence.db", "evidence.db-wal", "evidence.db-shm"), 0o600)


def test_checkpoints_are_found_by_what_they_cover(tmp_path: Path) -> None:
    file = TileFile(tmp_path / "evidence.db")
    assert (file.checkpoint(), file.checkpoints()) == (None, [])
    for size in (3, 9, 5):
        file.keep(size, 0, f"note {size}")
    assert (file.checkpoint(), file.checkpoint(9), file.checkpoint(10)) == (
        "note 9",
        "note 9",
        None,
    )
    assert file.checkpoints() == [(3, "note 3"), (5, "note 5"), (9, "note 9")]


def test_what_is_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "evidence.db").write_bytes(b"not a database" * 100)
    with pytest.raises(JournalError, match=r"evidence\.db"):
        TileFile(tmp_path / "evidence.db")


def test_those_who_open_it_at_once_make_one_file(tmp_path: Path) -> None:
    """A gateway's first start with anchors: who signs checkpoints and who takes them outside."""
    for attempt in range(20):
        path, together = tmp_path / str(attempt) / "evidence.db", Barrier(4)
        path.parent.mkdir()

        def opened(path: Path = path, together: Barrier = together) -> list[tuple[int, str]]:
            together.wait(10)
            with closing(TileFile(path)) as file:
                return file.checkpoints()

        with ThreadPoolExecutor(4) as threads:
            found = [each.result(10) for each in [threads.submit(opened) for _ in range(4)]]
        assert found == [[]] * 4


@pytest.mark.parametrize("another", [False, True])
def test_a_log_that_was_moved_away_is_not_gone_on_with(tmp_path: Path, another: bool) -> None:
    """Its checkpoints would be where nobody finds them, and nobody would hear of it."""
    path = tmp_path / "evidence.db"
    file = TileFile(path)
    file.keep(3, 0, "note 3")
    path.rename(tmp_path / "elsewhere.db")
    if another:
        TileFile(path).close()
    with pytest.raises(JournalError, match=r"evidence\.db"):
        file.keep(5, 0, "note 5")
    with pytest.raises(JournalError, match=r"evidence\.db"):
        file.checkpoint()
    assert TileFile(path).checkpoints() == []
