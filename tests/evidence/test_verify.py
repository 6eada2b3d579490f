"""What the verifier believes of a warrant, a key and a checkpoint, also of one whose owner signs what is not so."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.app.evidence import open_sequencer
from gateway.app.warrants import open_registry
from gateway.errors import JournalError
from gateway.evidence import verify
from gateway.evidence.checkpoint import Notary
from gateway.evidence.proof import prove
from gateway.evidence.verify import (
    Checkpoint,
    Key,
    Unsound,
    bounded,
    check,
    check_consistency,
    check_inclusion,
    checkpoint_text,
    leaf_hash,
    open_note,
    signed_bytes,
    told,
)
from tests.evidence.test_warrant import document, state, warrant

__all__ = ["state"]  # the journal, as a fixture


def test_an_older_checkpoint_is_read_alike_wherever_the_verifier_runs(
    state: Path, tmp_path: Path
) -> None:
    """A note has a dash beyond ASCII, and not every machine's text is UTF-8."""
    notary = Notary.open(state)
    note = notary.note(Checkpoint(1, leaf_hash(b"line")))
    (tmp_path / "old").write_text(note, "utf-8")
    (tmp_path / "since").write_text(json.dumps({"checkpoint": note, "consistency": []}), "utf-8")
    words = [sys.executable, verify.__file__, "--key", notary.public_key, "--since", "old", "since"]
    ran = subprocess.run(
        words,
        cwd=tmp_path,
        env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, "since: sound, 1 lines of then, 1 now\n"), ran.stderr


def signed(state: Path, parts: dict[str, Any]) -> dict[str, Any]:
    """The same, truly signed by who holds the key, whatever it has put together."""
    lines = [
        [json.loads(base64.b64decode(event["body"])) for event in parts[part]]
        for part in ("call", "grants", "undone")
    ]
    said = told(*lines)
    signature = Notary.open(state).signer.sign(signed_bytes(said))
    return {**parts, "warrant": said, "signature": base64.b64encode(signature).decode()}


def test_what_is_signed_as_it_is_made_is_sound(state: Path) -> None:
    sound = document(state, "undone-it")
    assert check(signed(state, sound), Notary.open(state).key) == sound["warrant"]


@pytest.mark.parametrize(
    "lie",
    ["a line twice", "lines of two calls", "a call for a grant", "the undoing of another call"],
)
def test_a_warrant_that_is_put_together_of_true_lines_is_not_sound(state: Path, lie: str) -> None:
    one, other = document(state, "by-child"), document(state, "undone-it")
    forged = {
        "a line twice": {**one, "call": [*one["call"], one["call"][-1]]},
        "lines of two calls": {**one, "call": [*one["call"], *other["call"]]},
        "a call for a grant": {**one, "grants": [*one["grants"], other["call"][0]]},
        "the undoing of another call": {**one, "undone": other["undone"]},
    }[lie]
    with pytest.raises(Unsound, match="says other than the journal's lines"):
        check(signed(state, forged), Notary.open(state).key)


def test_what_is_written_behind_the_end_of_a_call_does_not_change_what_became_of_it(
    state: Path, tmp_path: Path
) -> None:
    """By somebody who can write the file: the log takes it in as it takes every line."""
    shutil.copytree(state, tmp_path / "state")
    said = {"v": 2, "call": "forever", "kind": "no_effect", "at": 1, "run": "r", "body": {}}
    with closing(sqlite3.connect(tmp_path / "state" / "journal.db")) as file, file:
        [(last,)] = file.execute("SELECT max(seq) + 1 FROM event")
        row = (last, "forever", "no_effect", 1, json.dumps(said).encode())
        file.execute("INSERT INTO event (seq, call_id, kind, at, body) VALUES (?, ?, ?, ?, ?)", row)
    open_sequencer(tmp_path / "state").catch_up()
    registry = open_registry(tmp_path / "state")
    call = registry.reader.call("forever")
    assert call is not None
    with pytest.raises(JournalError):
        registry.warrant(call)
    proof = prove(registry.reader.lines("forever"), registry.checkpoints, registry.node)
    parts = {"checkpoint": proof["checkpoint"], "call": proof["events"], "grants": [], "undone": []}
    with pytest.raises(Unsound, match="says other than the journal's lines"):
        check(signed(tmp_path / "state", parts), registry.notary.key)


def test_a_chain_of_grants_that_was_given_out_of_order_bounds_nothing(state: Path) -> None:
    sound = warrant(state, "by-child")
    assert bounded({**sound, "grants": sound["grants"]})[1].startswith("grant g-child")
    turned = {**sound, "grants": sound["grants"][::-1]}
    assert bounded(turned) == (False, "grant g-root is not g-child, which it was made under")


def test_a_grant_is_in_force_until_its_end(state: Path) -> None:
    """Its last moment is not its own. That it was given before its call is shown by the log, not by a clock."""
    sound = warrant(state, "by-root")
    [grant] = sound["grants"]
    for sent_at, holds in ((grant["expires"] - 1, True), (grant["expires"], False)):
        assert bounded({**sound, "sent_at": sent_at})[0] is holds


def test_a_key_is_read_as_it_is_published(tmp_path: Path) -> None:
    notary = Notary.open(tmp_path)
    assert Key.parse(notary.public_key) == notary.key
    name, number, coded = notary.public_key.split("+", 2)
    raw = base64.b64decode(coded)
    for text in (
        "",
        name,
        f"{name}+{number}",
        f"other+{number}+{coded}",
        f"{name}+00000000+{coded}",
        f"{name}+{number}+not base64",
        f"{name}+{number}+{base64.b64encode(bytes([2]) + raw[1:]).decode()}",
        f"{name}+{number}+{base64.b64encode(raw + b'x').decode()}",
    ):
        with pytest.raises(Unsound, match="not a checkpoint key"):
            Key.parse(text)


def note(notary: Notary, text: str, number: bytes | None = None) -> str:
    """Any text as a note, truly signed."""
    raw = (notary.key.number if number is None else number) + notary.signer.sign(text.encode())
    return f"{text}\n\u2014 {notary.key.name} {base64.b64encode(raw).decode()}\n"


def test_only_a_checkpoint_of_this_log_signed_by_this_key_is_opened(tmp_path: Path) -> None:
    notary, stranger = Notary.open(tmp_path / "a"), Notary.open(tmp_path / "b")
    key, root = notary.key, bytes(32)
    text = checkpoint_text(key.name, 5, root)
    assert open_note(note(notary, text), key) == Checkpoint(5, root)
    forged = note(notary, text).replace("\n5\n", "\n6\n")
    for bad in (
        "",
        text,
        forged,
        note(notary, text, number=bytes(4)),
        note(notary, checkpoint_text("bulkhead/other", 5, root)),
        note(notary, f"{key.name}\n05\n{base64.b64encode(root).decode()}\n"),
        note(notary, f"{text}more\n"),
        note(notary, text).replace(key.name, stranger.key.name),
        note(stranger, text).replace(stranger.key.name, key.name),
        f"{note(notary, text)}more",
    ):
        with pytest.raises(Unsound, match=f"no checkpoint that {key.name} signed"):
            open_note(bad, key)


def test_who_else_has_signed_a_checkpoint_and_where_a_mail_ends_it_does_not_matter(
    tmp_path: Path,
) -> None:
    notary = Notary.open(tmp_path)
    text = checkpoint_text(notary.key.name, 5, bytes(32))
    for more in ("", "\u2014 witness AAAA\n", "\n\n"):
        assert open_note(f"{note(notary, text)}{more}", notary.key) == Checkpoint(5, bytes(32))


def another(coded: str) -> str:
    """Base64 that is read as the same bytes by most readers: the bits before its padding are nobody's."""
    at = len(coded.rstrip("=")) - 1
    assert at < len(coded) - 1
    return f"{coded[:at]}{chr(ord(coded[at]) + 1)}{coded[at + 1 :]}"


@pytest.mark.parametrize("where", ["signature", "a step to the root", "the checkpoint's end"])
def test_not_one_character_of_a_warrant_can_be_another(state: Path, where: str) -> None:
    sound, key = document(state, "by-child"), Notary.open(state).key
    line = sound["call"][0]
    others: dict[str, dict[str, Any]] = {
        "signature": {"signature": another(sound["signature"])},
        "a step to the root": {
            "call": [{**line, "inclusion": [*map(another, line["inclusion"])]}, *sound["call"][1:]]
        },
        "the checkpoint's end": {"checkpoint": f"{sound['checkpoint']}x"},
    }
    check(sound, key)
    with pytest.raises(Unsound, match=r"base64 that is not|no checkpoint that"):
        check({**sound, **others[where]}, key)


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ('{"warrant": ', '{"warrant": {"agent": "agent:innocent"}, "warrant": '),
        ('"agent": ', '"agent": "agent:innocent", "agent": '),
        ('"index": ', '"note": "approved by all", "index": '),
        ('"signature": ', '"note": "approved by all", "signature": '),
    ],
)
def test_nothing_stands_in_a_warrant_that_is_not_proven(
    state: Path, tmp_path: Path, word: str, instead: str
) -> None:
    """Who reads a member that is there twice may read the other one."""
    paper = json.dumps(document(state, "by-child"))
    file, key = tmp_path / "paper.json", Notary.open(state).public_key
    file.write_text(paper)
    assert verify.main(["--key", key, str(file)]) < 2
    file.write_text(paper.replace(word, instead, 1))
    assert verify.main(["--key", key, str(file)]) == 2


def test_a_log_of_one_line_needs_no_proof_and_takes_none() -> None:
    leaf, other = bytes(32), bytes([1]) * 32
    log = Checkpoint(1, leaf)
    check_inclusion(leaf, 0, log, [])
    for index, path in ((0, [other]), (1, []), (-1, [])):
        with pytest.raises(Unsound):
            check_inclusion(leaf, index, log, path)
    with pytest.raises(Unsound):
        check_inclusion(other, 0, log, [])


def test_a_log_extends_itself_and_none_extends_an_empty_or_a_longer_one() -> None:
    log = Checkpoint(3, bytes(32))
    check_consistency(log, log, [])
    for old, new, path in (
        (Checkpoint(0, bytes(32)), log, []),
        (Checkpoint(4, bytes(32)), log, []),
        (log, log, [bytes(32)]),
        (Checkpoint(3, bytes([1]) * 32), log, []),
    ):
        with pytest.raises(Unsound):
            check_consistency(old, new, path)
