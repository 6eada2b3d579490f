from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.signer import Signer, is_signed


def test_a_signature_is_of_one_key_and_one_message(tmp_path: Path) -> None:
    signer = Signer.open(tmp_path / "a.key")
    signature = signer.sign(b"note\nhello")
    assert is_signed(signer.name, signature, b"note\nhello")
    assert not is_signed(signer.name, signature, b"note\nhullo")
    assert not is_signed(signer.name, signature[:-1], b"note\nhello")
    assert not is_signed(Signer.open(tmp_path / "b.key").name, signature, b"note\nhello")
    assert not is_signed("ed25519:?", signature, b"note\nhello")


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "a.key"
    first = Signer.open(path)
    assert Signer.open(path).name == first.name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["a.key"]


@pytest.mark.parametrize("text", ["", "bm90IGEga2V5", "not base64"])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.key"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(Misconfigured, match="not a signing key"):
        Signer.open(path)


def test_a_key_others_could_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    Signer.open(path)
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match="others could read"):
        Signer.open(path)
