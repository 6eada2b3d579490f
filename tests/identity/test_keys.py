"""The embedded issuer's keys: made once, kept close, rotated with two that verify."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.errors import Misconfigured
from gateway.identity.keys import ROTATE_AFTER, SETTLE, open_keys, read_keys, signing_key

NOW = 1_800_000_000


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pems(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.pem"))


def test_the_first_start_makes_one_key_only_its_owner_can_read(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "issuer"
    old = os.umask(0)
    try:
        _, keys = open_keys(directory, NOW)
    finally:
        os.umask(old)
    assert [key.kid for key in keys] == [file.stem for file in pems(directory)]
    assert mode(directory) == 0o700
    assert {mode(file) for file in directory.iterdir()} == {0o600}


def test_a_second_start_finds_what_the_first_made(tmp_path: Path) -> None:
    first, keys = open_keys(tmp_path / "issuer", NOW)
    second, again = open_keys(tmp_path / "issuer", NOW + 60)
    assert first == second
    assert [key.kid for key in keys] == [key.kid for key in again]


@pytest.mark.parametrize("wider", [0o640, 0o604, 0o660, 0o700])
def test_a_key_others_could_read_is_refused(tmp_path: Path, wider: int) -> None:
    open_keys(tmp_path / "issuer", NOW)
    pems(tmp_path / "issuer")[0].chmod(wider)
    with pytest.raises(Misconfigured, match="mode is"):
        open_keys(tmp_path / "issuer", NOW)


def test_a_directory_may_hand_on_its_group(tmp_path: Path) -> None:
    """A volume with an `fsGroup` has that bit, and all that is made below it has it from there."""
    tmp_path.chmod(0o2775)
    _, keys = open_keys(tmp_path / "state" / "issuer", NOW)
    assert mode(tmp_path / "state" / "issuer") & 0o777 == 0o700
    assert open_keys(tmp_path / "state" / "issuer", NOW)[1][0].kid == keys[0].kid


@pytest.mark.parametrize("wider", [0o750, 0o705, 0o777])
def test_a_directory_others_could_enter_is_refused(tmp_path: Path, wider: int) -> None:
    open_keys(tmp_path / "issuer", NOW)
    (tmp_path / "issuer").chmod(wider)
    with pytest.raises(Misconfigured, match="chmod 0700"):
        open_keys(tmp_path / "issuer", NOW)


def test_a_key_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    open_keys(tmp_path / "issuer", NOW)
    key = pems(tmp_path / "issuer")[0]
    key.rename(tmp_path / "elsewhere.pem")
    key.symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(Misconfigured, match="cannot read"):
        open_keys(tmp_path / "issuer", NOW)


def test_a_key_that_is_no_key_is_refused_by_name(tmp_path: Path) -> None:
    open_keys(tmp_path / "issuer", NOW)
    key = pems(tmp_path / "issuer")[0]
    key.write_text("garbage")
    with pytest.raises(Misconfigured, match="not a private key") as caught:
        open_keys(tmp_path / "issuer", NOW)
    assert caught.value.where is not None
    assert caught.value.where.file == str(key)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    open_keys(tmp_path / "issuer", NOW)
    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pems(tmp_path / "issuer")[0].write_bytes(pem)
    with pytest.raises(Misconfigured, match="Ed25519"):
        open_keys(tmp_path / "issuer", NOW)


def test_a_state_directory_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(Misconfigured, match="cannot keep keys"):
        open_keys(tmp_path / "state" / "issuer", NOW)


def test_a_month_later_two_keys_verify_and_the_old_one_signs_until_all_know_the_new(
    tmp_path: Path,
) -> None:
    _, (old,) = open_keys(tmp_path / "issuer", NOW)
    later = NOW + ROTATE_AFTER
    _, keys = open_keys(tmp_path / "issuer", later)
    assert [key.kid for key in keys][1:] == [old.kid]
    assert signing_key(keys, later).kid == old.kid
    assert signing_key(keys, later + SETTLE).kid == keys[0].kid


def test_two_months_later_the_oldest_key_is_gone_from_the_disk(tmp_path: Path) -> None:
    _, (oldest,) = open_keys(tmp_path / "issuer", NOW)
    open_keys(tmp_path / "issuer", NOW + ROTATE_AFTER)
    _, keys = open_keys(tmp_path / "issuer", NOW + 2 * ROTATE_AFTER)
    assert len(keys) == len(pems(tmp_path / "issuer")) == 2
    assert oldest.kid not in {file.stem for file in pems(tmp_path / "issuer")}


def test_no_directory_means_no_keys(tmp_path: Path) -> None:
    assert read_keys(tmp_path / "issuer") == ()


def _open_in_a_process(directory: str, start: object, answers: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    install, keys = open_keys(Path(directory), NOW)
    answers.put((install, [key.kid for key in keys]))  # type: ignore[attr-defined]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(4), context.Queue()
    racers = [
        context.Process(target=_open_in_a_process, args=(str(tmp_path / "issuer"), start, answers))
        for _ in range(4)
    ]
    for racer in racers:
        racer.start()
    seen = [answers.get(timeout=30) for _ in racers]
    for racer in racers:
        racer.join(timeout=30)
    assert all(answer == seen[0] for answer in seen)
    assert len(pems(tmp_path / "issuer")) == 1
