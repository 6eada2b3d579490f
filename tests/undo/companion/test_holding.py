"""Files that a process keeps open to write in them: what is put back there is not what it goes on with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.undo.companion.base import No
from gateway.undo.companion.holding import holder
from gateway.undo.companion.store import Compared
from gateway.undo.companion.tree import Tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@contextmanager
def kept_open(path: Path, flags: int) -> Iterator[int]:
    """By a process of its own; its id."""
    with running(f"os.open({str(path)!r}, os.O_CREAT | {flags})") as pid:
        yield pid


@contextmanager
def running(code: str) -> Iterator[int]:
    words = [sys.executable, "-c", f"import os; {code}; print(flush=True); input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def inode(path: Path) -> tuple[int, int]:
    return path.stat().st_dev, path.stat().st_ino


@pytest.mark.parametrize(
    ("flags", "holds"),
    [(os.O_RDWR, True), (os.O_WRONLY, True), (os.O_RDONLY, False), (os.O_WRONLY | os.O_APPEND, False)],
    ids=["a database", "rewritten", "read", "a log"],
)  # fmt: skip
def test_who_may_write_over_what_is_put_back_holds_it(
    tmp_path: Path, flags: int, holds: bool
) -> None:
    with kept_open(tmp_path / "file", flags) as pid:
        found = holder({inode(tmp_path / "file")}, str(tmp_path), ours=-1)
    assert found == ((pid, inode(tmp_path / "file")) if holds else None)


def test_what_a_rollback_started_itself_does_not_count(tmp_path: Path) -> None:
    with kept_open(tmp_path / "file", os.O_RDWR):
        assert holder({inode(tmp_path / "file")}, str(tmp_path), ours=os.getpid()) is None


def test_the_journal_of_a_database_is_more_than_a_log(tmp_path: Path) -> None:
    """It is only appended to, and its server has the database open beside it."""
    for name in ("data.db", "data.db.wal"):
        (tmp_path / name).touch()
    data, wal = tmp_path / "data.db", tmp_path / "data.db.wal"
    code = f"os.open({str(data)!r}, os.O_RDWR); os.open({str(wal)!r}, os.O_WRONLY | os.O_APPEND)"
    with running(code) as pid:
        assert holder({inode(wal)}, str(tmp_path), ours=-1) == (pid, inode(wal))


def test_a_file_a_server_keeps_open_is_not_put_back_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: -1)  # the companion's own parent started nobody
    (tmp_path / "data.db").write_text("before")
    compared = Compared(Tree(tmp_path, 1000))
    mark = compared.state()["state"]
    (tmp_path / "data.db").write_text("after")
    (tmp_path / "beside").write_text("made")
    changes = compared.changes(mark)
    with kept_open(tmp_path / "data.db", os.O_RDWR) as pid:
        with pytest.raises(No, match=f"^OTHER: data.db is kept open by process {pid}"):
            compared.put(changes["was"], changes["now"])
        assert (tmp_path / "beside").exists()
    assert compared.put(changes["was"], changes["now"]) == {"changed": True}
    assert [path.name for path in tmp_path.iterdir()] == ["data.db"]
    assert (tmp_path / "data.db").read_text() == "before"
