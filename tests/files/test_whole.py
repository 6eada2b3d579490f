"""A file is the old one or the new one, and never a part of either."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.files import whole


def test_it_stands_in_place_of_what_was_there_with_the_mode_it_is_to_have(tmp_path: Path) -> None:
    file = tmp_path / "a"
    for data, mode in ((b"old", 0o644), (b"new", 0o600)):
        whole.replace(file, data, mode)
        assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (data, mode)
    assert os.listdir(tmp_path) == ["a"]


def test_who_comes_second_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a"
    whole.make(file, b"first")
    whole.make(file, b"second")
    assert file.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a"]


def test_what_cannot_be_put_there_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        whole.replace(tmp_path / "a", b"data")
    assert os.listdir(tmp_path) == ["a"]
