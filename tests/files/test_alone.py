"""Who holds a file holds it alone, until the descriptor is closed."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from gateway.files import alone


def test_one_at_a_time_has_it(tmp_path: Path) -> None:
    first = alone.taken(tmp_path / "lock")
    assert first is not None
    assert alone.taken(tmp_path / "lock") is None
    os.close(first)
    second = alone.taken(tmp_path / "lock")
    assert second is not None
    os.close(second)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_who_does_not_get_it_leaves_no_descriptor_open(tmp_path: Path) -> None:
    held = alone.taken(tmp_path / "lock")
    assert held is not None
    before = sorted(os.listdir("/proc/self/fd"))
    assert alone.taken(tmp_path / "lock") is None
    assert sorted(os.listdir("/proc/self/fd")) == before
    os.close(held)


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    held = alone.taken(tmp_path / "lock")
    assert held is not None
    os.close(held)
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_where_it_cannot_be_had_nobody_is_said_to_have_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        alone.taken(tmp_path / "nowhere" / "lock")


def test_what_was_taken_away_while_it_was_asked_for_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, flock = tmp_path / "lock", fcntl.flock

    def late(descriptor: int, how: int) -> None:
        lock.unlink()
        flock(descriptor, how)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", late)
        assert alone.taken(lock) is None
    held = alone.taken(lock)
    assert held is not None
    os.close(held)
