"""A secret is read when it is needed, and told to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.clients import Secret
from gateway.credential_ports import NoCredential
from gateway.credentials.references import Reference


def test_a_changed_file_needs_no_restart(tmp_path: Path) -> None:
    reference = Reference(Secret(file="s.txt"), tmp_path)
    for secret in ("the-first-secret", "the-second-secret"):
        (tmp_path / "s.txt").write_text(f"{secret}\n")
        assert reference.read() == secret


def test_a_variable_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "of-the-environment")
    assert Reference(Secret(env="A_SECRET"), tmp_path).read() == "of-the-environment"


@pytest.mark.parametrize("raw", [b"", b"short\n", b"\xff\xfe secret secret", None])
def test_what_is_no_secret_is_refused_and_not_repeated(tmp_path: Path, raw: bytes | None) -> None:
    if raw is not None:
        (tmp_path / "s.txt").write_bytes(raw)
    with pytest.raises(NoCredential) as caught:
        Reference(Secret(file="s.txt"), tmp_path).read()
    assert caught.value.nothing
    assert "s.txt" in str(caught.value) and "short" not in str(caught.value)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_file_everybody_can_read_is_warned_of(
    tmp_path: Path, mode: int, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "s.txt").write_text("a-long-enough-secret")
    (tmp_path / "s.txt").chmod(mode)
    Reference(Secret(file="s.txt"), tmp_path).warn_if_open()
    assert ("can be read by everybody" in caplog.text) is warned
    assert "a-long-enough-secret" not in caplog.text
