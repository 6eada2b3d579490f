"""A certificate speaks for one pack file and one server version, if its signer is believed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.signer import Signer
from gateway.undo.certificate import (
    CERTIFIERS,
    Certificate,
    believe,
    certifier,
    certifiers,
    holding,
    lock,
)
from gateway.values import replace

DIGEST = "sha256:" + "a" * 64
MADE = Certificate(
    pack=DIGEST,
    server_name="notes",
    server_version="1.4",
    ground="notes.py",
    runs=10,
    seed=1,
    calls=30,
    restored=30,
    compensated=0,
    irreversible=0,
    cases={"put_note#1": 30},
    out_of_turn={"put_note": {"put_note": 4, "drop_note": 1}},
)
HELD = {f"notes@{DIGEST}": {"1.4": {"put_note": {"put_note", "drop_note"}}}}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "undo").mkdir()
    return tmp_path / "undo"


def signed(directory: Path, made: Certificate = MADE, *, believed: bool = True) -> Signer:
    signer = certifier(directory.parent / "state")
    (directory / "notes.lock").write_text(lock(made, signer))
    if believed:
        believe(directory, signer.name)
    return signer


def test_it_holds_for_this_file_and_that_version(directory: Path) -> None:
    signed(directory)
    assert holding(directory, {"notes": DIGEST}) == HELD


def test_it_does_not_hold_for_another_file(directory: Path) -> None:
    signed(directory)
    assert holding(directory, {"notes": "sha256:" + "b" * 64}) == {}
    assert holding(directory, {"others": DIGEST}) == {}


def test_it_does_not_hold_unless_its_signer_is_believed(directory: Path) -> None:
    signed(directory, believed=False)
    assert holding(directory, {"notes": DIGEST}) == {}


def test_one_made_when_nobody_tried_it_out_of_turn_proves_nothing_of_that(directory: Path) -> None:
    signer = signed(directory)
    older = json.loads(lock(MADE, signer))["certificate"]
    del older["out_of_turn"]
    signature = signer.sign(
        b"bulkhead undo certificate 1\n"
        + json.dumps(older, sort_keys=True, separators=(",", ":")).encode()
    )
    text = {
        "certificate": older,
        "signed_by": signer.name,
        "signature": base64.b64encode(signature).decode(),
    }
    (directory / "notes.lock").write_text(json.dumps(text))
    assert holding(directory, {"notes": DIGEST}) == {f"notes@{DIGEST}": {"1.4": {}}}


@pytest.mark.parametrize("member", ["pack", "server_version", "runs", "cases", "out_of_turn"])
def test_it_does_not_hold_once_a_word_was_changed(directory: Path, member: str) -> None:
    signed(directory, replace(MADE, pack="sha256:" + "c" * 64))
    path = directory / "notes.lock"
    held = json.loads(path.read_text())
    held["certificate"][member] = {"pack": DIGEST, "runs": 10_000}.get(member, "9")
    path.write_text(json.dumps(held))
    assert holding(directory, {"notes": DIGEST}) == {}


def test_another_believed_signer_cannot_be_named(directory: Path, tmp_path: Path) -> None:
    signed(directory)
    forged = json.loads(lock(MADE, certifier(tmp_path / "stranger")))
    forged["signed_by"] = json.loads((directory / "notes.lock").read_text())["signed_by"]
    (directory / "notes.lock").write_text(json.dumps(forged))
    assert holding(directory, {"notes": DIGEST}) == {}


@pytest.mark.parametrize("text", ["", "{}", '{"certificate": {}}', "[1]", '{"certificate": 1}'])
def test_what_is_no_certificate_is_said_to_be_none(directory: Path, text: str) -> None:
    (directory / "notes.lock").write_text(text)
    with pytest.raises(Misconfigured, match=r"notes\.lock.*not a certificate"):
        holding(directory, {"notes": DIGEST})


@pytest.mark.parametrize("text", ["", "[]", '{"certifiers": ["x"]}'])
def test_a_list_of_keys_that_is_none_is_refused(directory: Path, text: str) -> None:
    (directory / CERTIFIERS).write_text(text)
    with pytest.raises(Misconfigured, match="certifiers"):
        certifiers(directory)


@pytest.mark.parametrize("name", [CERTIFIERS, "notes.lock"])
def test_a_file_anybody_could_write_is_refused(directory: Path, name: str) -> None:
    signed(directory)
    (directory / name).chmod(0o666)
    with pytest.raises(Misconfigured, match="anybody on this machine"):
        holding(directory, {"notes": DIGEST})


def test_a_key_is_made_once_and_is_nobody_elses_to_read(directory: Path) -> None:
    first, second = signed(directory), signed(directory)
    assert first.name == second.name
    assert (directory.parent / "state" / "certifier.key").stat().st_mode & 0o077 == 0
    assert believe(directory, first.name) is False
    assert len(certifiers(directory)) == 1
