"""The fence log: what is stopped, over processes, restarts and power cuts."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from gateway.core.fence import Fence
from gateway.errors import Misconfigured
from gateway.fences.log import FenceLog
from gateway.values import replace

A = Fence("agent", "agent:a", "operator:ada", "strange", 5)
B = Fence("task", "t1", "operator:ada", "", 6)


def test_what_one_process_fences_another_sees(tmp_path: Path) -> None:
    mine, other = FenceLog(tmp_path), FenceLog(tmp_path)
    before = other.length()
    mine.fence(A, B)
    assert other.length() > before
    assert other.read() == (A, B)


def test_a_fence_outlives_its_process_until_it_is_lifted(tmp_path: Path) -> None:
    FenceLog(tmp_path).fence(A, B)
    log = FenceLog(tmp_path)
    log.lift([A], "operator:bob", "it was nothing", 9)
    assert FenceLog(tmp_path).read() == (B,)
    log.fence(A)
    assert FenceLog(tmp_path).read() == (B, A)


def test_only_its_owner_may_read_or_write_it(tmp_path: Path) -> None:
    log = FenceLog(tmp_path / "state")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700


def test_a_fence_of_one_tenant_is_another_and_is_lifted_by_itself(tmp_path: Path) -> None:
    theirs = replace(A, tenant="partner")
    log = FenceLog(tmp_path)
    log.fence(A, theirs)
    log.lift([A], "operator:bob", "it was nothing", 9)
    assert FenceLog(tmp_path).read() == (theirs,)


def test_a_line_that_says_of_no_tenant_is_of_all(tmp_path: Path) -> None:
    log = FenceLog(tmp_path)
    said = {"scope": "agent", "value": "agent:a", "by": "x", "why": "", "at": 1}
    log.path.write_text(json.dumps({"fence": said}) + "\n")
    assert log.read() == (Fence("agent", "agent:a", "x", "", 1),)
    with log.path.open("a") as file:
        file.write('{"lift": {"scope": "agent", "value": "agent:a"}}\n')
    assert log.read() == ()


@pytest.mark.parametrize("kept", range(0, 60, 7))
def test_what_a_power_cut_left_of_a_line_says_nothing(tmp_path: Path, kept: int) -> None:
    log = FenceLog(tmp_path)
    log.fence(A)
    whole = log.length()
    log.fence(B)
    with log.path.open("r+b") as file:
        file.truncate(whole + kept)
    size = log.length()
    assert log.read() == (A,)
    log.fence(B)
    assert log.read() == (A, B)
    assert log.length() > size


@pytest.mark.parametrize("line", ["{}", "[]", '{"fence": {"scope": "world"}}', "nonsense"])
def test_a_line_that_is_no_fence_is_told_with_its_place(tmp_path: Path, line: str) -> None:
    log = FenceLog(tmp_path)
    log.fence(A)
    with log.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(Misconfigured, match=r"fences.jsonl:2: not a fence"):
        log.read()


def test_a_log_that_cannot_be_made_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "fences.jsonl").mkdir()
    with pytest.raises(Misconfigured, match=r"fences\.jsonl"):
        FenceLog(tmp_path)
