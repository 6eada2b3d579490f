"""What lies in a directory, and whether anybody can tell."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from gateway.files.listing import named


def test_what_ends_so_is_found_and_nothing_below(tmp_path: Path) -> None:
    for name in ("one.pem", "two.json"):
        (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "three.pem").touch()
    assert named(tmp_path, ".pem") == [tmp_path / "one.pem"]


def test_where_there_is_no_directory_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert named(tmp_path / "none", "") == named(tmp_path / "file", "") == []


def test_one_that_cannot_be_read_now_is_not_empty(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            named(tmp_path, "")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
