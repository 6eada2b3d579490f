"""Keys in a file: taken up as it changes, and a broken file takes nothing away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.identity.keyfile import KeyFile
from tests.identity.idp import jwk, new_key


def write(path: Path, *kids: str) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"keys": [jwk(new_key(), kid=kid) for kid in kids]}))
    draft.replace(path)


async def test_a_new_key_is_there_for_the_first_token_that_names_it(tmp_path: Path) -> None:
    write(file := tmp_path / "keys.json", "k1")
    keys = KeyFile(file)
    assert not await keys.refreshed()
    write(file, "k1", "k2")
    assert keys.key("k2") is None
    assert await keys.refreshed()
    assert keys.key("k2") is not None


async def test_a_key_that_stays_is_the_same_object_and_one_that_goes_is_gone(
    tmp_path: Path,
) -> None:
    file, kept = tmp_path / "keys.json", jwk(new_key(), kid="k1")
    file.write_text(json.dumps({"keys": [kept, jwk(new_key(), kid="k2")]}))
    keys = KeyFile(file)
    before = keys.key("k1")
    file.write_text(json.dumps({"keys": [kept]}))
    await keys.look()
    assert keys.key("k1") is before is not None
    assert keys.key("k2") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"keys": []}', b"\xff", b" " * 300_000])
async def test_a_broken_file_takes_nothing_away_and_starts_nothing(
    tmp_path: Path, content: bytes
) -> None:
    write(file := tmp_path / "keys.json", "k1")
    keys = KeyFile(file)
    file.write_bytes(content)
    await keys.look()
    assert keys.key("k1") is not None
    with pytest.raises(Misconfigured) as caught:
        KeyFile(file)
    assert caught.value.where is not None and caught.value.where.file == str(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{}", ": no JWK Set"), (b"[", ": no JWK Set: the file is not strict JSON")],
)
def test_a_file_that_is_no_set_is_told_in_words(tmp_path: Path, content: bytes, said: str) -> None:
    (file := tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(Misconfigured) as caught:
        KeyFile(file)
    assert str(caught.value).startswith(f"{file}{said}") and "bad_token" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot read"):
        KeyFile(tmp_path / "keys.json")


async def test_keys_anybody_could_put_there_are_nobodys(tmp_path: Path) -> None:
    write(file := tmp_path / "keys.json", "k1")
    keys = KeyFile(file)
    write(file, "k2")
    file.chmod(0o666)
    await keys.look()
    assert keys.key("k1") is not None and keys.key("k2") is None
    with pytest.raises(Misconfigured, match="anybody on this machine"):
        KeyFile(file)
