"""The journal's key is its owner's alone, made once, and refused when it is not."""

from __future__ import annotations

import hmac
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.journals.vault import Vault


def test_the_key_is_made_once_in_a_directory_only_its_owner_can_enter(tmp_path: Path) -> None:
    place = tmp_path / "state" / "secrets"
    sealed = Vault.open(place).seal(b"x")
    key = place / "journal.key"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.stat().st_size == 32
    assert Vault.open(place).unseal(sealed) == b"x"
    assert list(place.iterdir()) == [key]


def test_processes_that_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: Vault.open(tmp_path / "secrets"), range(16)))
    assert len({vault.commit(b"a", b"b") for vault in vaults}) == 1


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o777])
def test_a_key_others_can_reach_is_refused_with_its_file(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "secrets"
    Vault.open(place)
    (place / "journal.key").chmod(mode)
    with pytest.raises(Misconfigured, match="others can reach it") as refused:
        Vault.open(place)
    assert str(refused.value).startswith(f"{place / 'journal.key'}: ")
    assert "chmod 600" in str(refused.value)


@pytest.mark.parametrize("mode", [0o701, 0o750, 0o777])
def test_a_directory_others_can_enter_is_refused(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "secrets"
    place.mkdir()
    place.chmod(mode)
    with pytest.raises(Misconfigured, match="others can reach it"):
        Vault.open(place)
    assert list(place.iterdir()) == []


def test_a_link_in_place_of_the_key_is_refused(tmp_path: Path) -> None:
    place, elsewhere = tmp_path / "secrets", tmp_path / "elsewhere"
    elsewhere.write_bytes(os.urandom(32))
    elsewhere.chmod(0o600)
    place.mkdir(0o700)
    (place / "journal.key").symlink_to(elsewhere)
    with pytest.raises(Misconfigured, match="not what it should be"):
        Vault.open(place)


@pytest.mark.parametrize("size", [0, 16, 33])
def test_a_key_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    Vault.open(tmp_path / "secrets")
    (tmp_path / "secrets" / "journal.key").write_bytes(bytes(size))
    with pytest.raises(Misconfigured, match="not 32 bytes"):
        Vault.open(tmp_path / "secrets")


def test_purposes_do_not_mix() -> None:
    vault = Vault(bytes(32))
    assert vault.commit(b"a", b"b") != vault.commit(b"b", b"a")
    assert vault.commit(b"a", b"b") == vault.commit(b"a", b"b")


@pytest.mark.parametrize("size", [0, 1, 55, 56, 64, 5_000])
def test_a_commitment_is_the_hmac_of_the_standard_library(size: int) -> None:
    vault = Vault(b"k" * 32)
    plain = bytes(range(256)) * 20
    wanted = hmac.new(vault.subkey(b"commit"), b"purpose\0" + plain[:size], "sha256").hexdigest()
    assert vault.commit(b"purpose", plain[:size]) == wanted


@pytest.mark.parametrize("bad", [b"", b"short", b"x" * 40])
def test_what_was_not_sealed_here_is_not_opened(bad: bytes) -> None:
    with pytest.raises(ValueError, match="not sealed"):
        Vault(bytes(32)).unseal(bad)
