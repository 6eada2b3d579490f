"""Directories for their owner alone, whatever the umask is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.files.private import make_private


@pytest.fixture(autouse=True)
def anybody() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_missing_above_it_is_the_owners_alone_too(tmp_path: Path) -> None:
    make_private(tmp_path / "state" / "issuer")
    assert [mode(tmp_path / "state"), mode(tmp_path / "state" / "issuer")] == [0o700, 0o700]


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o750)
    make_private(tmp_path / "state" / "runs")
    make_private(tmp_path / "state" / "runs")
    assert [mode(tmp_path / "state"), mode(tmp_path / "state" / "runs")] == [0o750, 0o700]


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(FileExistsError):
        make_private(tmp_path / "state" / "runs")
