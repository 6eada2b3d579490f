"""Used proofs are one memory of all processes of a state directory, and of those that come after them."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.model import Evidence
from gateway.errors import Misconfigured, Refused
from gateway.identity import usedproofs
from gateway.identity.jwt import JwtVerifier
from gateway.identity.usedproofs import FULL, UNKNOWN, USED, UsedProofs
from tests.identity.test_jwt import NOW, ORIGIN, profile
from tests.identity.test_proof import evidence, proof

RACER = """
import sys
from pathlib import Path
from gateway.identity.usedproofs import UNKNOWN, UsedProofs
def first(name):
    while (said := used.take(name, 2000, 1000)) == UNKNOWN:
        pass
    return said == ""
used = UsedProofs(Path(sys.argv[1]), 1000)
print("open", flush=True)
sys.stdin.readline()
print(sum(first(b"%d" % n) for n in range(3000)), flush=True)
"""


@pytest.fixture
def table(tmp_path: Path) -> Iterator[UsedProofs]:
    used = UsedProofs(tmp_path / "used", NOW)
    yield used
    used.close()


def refusal(verifier: JwtVerifier, shown: Evidence, now: int = NOW) -> str:
    """Empty where it is believed."""
    try:
        verifier.verify(shown, now)
    except Refused as no:
        return no.detail
    return ""


def test_of_processes_that_race_one_gets_each_name(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path / "used")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None and racer.stdout.readline() == "open\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        won = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    assert sum(won) == 3_000


def test_a_proof_used_before_a_restart_is_refused_after_it(tmp_path: Path) -> None:
    shown = evidence(proof())
    said = []
    for _ in range(2):
        used = UsedProofs(tmp_path / "used", NOW)
        said.append(refusal(JwtVerifier([profile()], ORIGIN, used), shown))
        used.close()
    assert said == ["", USED]


@pytest.mark.parametrize(("made", "good"), [(NOW - 1, False), (NOW, True), (NOW + 30, True)])
def test_a_proof_from_before_the_memory_began_is_refused(
    tmp_path: Path, made: int, good: bool
) -> None:
    used = UsedProofs(tmp_path / "used", NOW)
    said = refusal(JwtVerifier([profile()], ORIGIN, used), evidence(proof(iat=made)))
    used.close()
    assert said == ("" if good else "proof is older than the memory of used ones")


@pytest.mark.parametrize(("another", "since"), [(b"", 30), (b"another", 30), (None, 0)])
def test_after_the_machine_started_anew_the_memory_begins_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, another: bytes | None, since: int
) -> None:
    """A power cut may have taken what no disk was waited for. Without an id of the start, each opening is one."""
    UsedProofs(tmp_path / "used", NOW).close()
    if another is not None:
        monkeypatch.setattr(usedproofs, "_boot", lambda: another)
    used = UsedProofs(tmp_path / "used", NOW + 30)
    assert used.since == NOW + since
    used.close()


def test_a_clock_that_was_ahead_at_start_shuts_nobody_out_after_the_next(tmp_path: Path) -> None:
    UsedProofs(tmp_path / "used", NOW + 3_600).close()
    used = UsedProofs(tmp_path / "used", NOW)
    assert used.since == NOW
    used.close()


def test_a_name_is_forgotten_when_its_time_is_over_and_not_before(table: UsedProofs) -> None:
    assert table.take(b"a", NOW + 120, NOW) == ""
    assert table.take(b"a", NOW + 240, NOW + 120) == USED
    assert table.take(b"a", NOW + 241, NOW + 121) == ""


def test_nothing_is_forgotten_to_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usedproofs, "BUCKETS", 1)
    used = UsedProofs(tmp_path / "used", NOW)
    said = [used.take(b"%d" % n, NOW + 120, NOW) for n in range(usedproofs.WAYS + 1)]
    assert said == [""] * usedproofs.WAYS + [FULL]
    assert used.take(b"0", NOW + 120, NOW) == USED
    assert used.take(b"later", NOW + 300, NOW + 121) == ""
    used.close()


def test_a_process_that_was_stopped_in_the_middle_holds_nobody_up(
    tmp_path: Path, table: UsedProofs, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor each call for as long as the first."""
    held = os.open(tmp_path / "used", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert table.take(b"a", NOW + 120, NOW) == UNKNOWN
    began = time.monotonic()
    assert {table.take(b"a", NOW + 120, NOW) for _ in range(20)} == {UNKNOWN}
    assert time.monotonic() - began < 20 * 0.2
    assert caplog.text.count("another process holds it") == 1
    with pytest.raises(Misconfigured, match="another process holds it"):
        UsedProofs(tmp_path / "used", NOW)
    os.close(held)
    assert table.take(b"a", NOW + 120, NOW) == ""


def test_a_table_that_cannot_be_kept_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "used").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misconfigured, match=r"used: cannot keep used proofs"):
        UsedProofs(tmp_path / "used", NOW)


@pytest.mark.parametrize("written", [None, 16])
def test_why_it_cannot_be_kept_any_more_is_told_once(
    table: UsedProofs,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    written: int | None,
) -> None:
    """A full disk may have room for a part of a name."""

    def full(*_: object) -> int:
        if written is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written

    for name in (b"a", b"b"):
        caplog.clear()
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", full)
            said = [table.take(name, NOW + 120, NOW) for _ in range(2)]
        assert said == [UNKNOWN, UNKNOWN]
        assert caplog.text.count("No space left on device") == 1
        assert table.take(name, NOW + 120, NOW) == ""


def test_what_is_no_table_takes_nobodys_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usedproofs, "BUCKETS", 1)
    (tmp_path / "used").write_bytes(b"\xff" * 10_000)
    used = UsedProofs(tmp_path / "used", NOW)
    assert [used.take(b"a", NOW + 120, NOW) for _ in range(2)] == ["", USED]
    used.close()


def test_the_file_is_its_owners_and_names_nothing(tmp_path: Path) -> None:
    used = UsedProofs(tmp_path / "state" / "used", NOW)
    used.take(b"thumbprint jti", NOW + 120, NOW)
    used.close()
    file = tmp_path / "state" / "used"
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"thumbprint" not in file.read_bytes()
