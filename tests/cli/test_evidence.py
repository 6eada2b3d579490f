"""`bulkhead evidence`, run as a person runs it, on a real journal and its log."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from gateway.app.evidence import open_sequencer
from gateway.core import record
from gateway.evidence import verify
from gateway.evidence.verify import Key, check_consistency, open_note
from tests.cli.command import run
from tests.journals.calls import NOON, call_record, intent, outcome
from tests.journals.writing import write


def bulkhead(place: Path, verb: str, *words: str) -> CompletedProcess[str]:
    return run("evidence", verb, "-c", str(place / "bulkhead.yaml"), *words)


def call(place: Path, *numbers: int) -> None:
    names = [f"call{number:04}" for number in range(*numbers)]
    lines = (line for name in names for line in (intent(name), outcome(name)))
    asyncio.run(write(place / ".bulkhead" / "journal.db", *lines))
    open_sequencer(place / ".bulkhead").catch_up()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bulkhead.yaml").write_text("servers: {}\n")
    call(tmp_path, 5)
    return tmp_path


def tamper(place: Path, sql: str, name: str = "journal.db") -> None:
    """As somebody who owns the machine: triggers are no obstacle."""
    file = sqlite3.connect(place / ".bulkhead" / name)
    for verb in ("update", "delete"):
        file.execute(f"DROP TRIGGER IF EXISTS event_no_{verb}")
    file.execute(sql)
    file.commit()
    file.close()


def not_sound(place: Path) -> str:
    """What `check` says, which does not find it sound."""
    said = bulkhead(place, "check")
    assert said.returncode == 9
    return said.stderr


def test_a_journal_nobody_touched_is_sound(place: Path) -> None:
    said = bulkhead(place, "check")
    assert (said.returncode, said.stderr) == (0, "")
    assert (
        said.stdout == "10 lines, 10 under a checkpoint, 1 checkpoints (0 from elsewhere): sound\n"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE event SET body = CAST(replace(body, 'analyst', 'another') AS BLOB) WHERE seq = 3",
        "UPDATE event SET call_id = 'call0000' WHERE seq = 3",
        "UPDATE event SET kind = 'told' WHERE seq = 3",
        "UPDATE event SET body = NULL WHERE seq = 3",
        "UPDATE event SET body = CAST(replace(hex(zeroblob(50000)), '0', '[') AS BLOB) WHERE seq = 3",
        "INSERT INTO event SELECT -2, call_id, kind, at, body, spent FROM event WHERE seq = 3",
        "DELETE FROM event WHERE seq > 6",
        "DELETE FROM event WHERE seq = 2",
    ],
)
def test_a_changed_journal_is_not_sound(place: Path, sql: str) -> None:
    tamper(place, sql)
    said = bulkhead(place, "check", "--json")
    assert said.returncode == 9
    assert json.loads(said.stdout)["wrong"]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM calls WHERE call_id = 'call0002'",
        "UPDATE calls SET state = 'refused' WHERE call_id = 'call0002'",
        "UPDATE calls SET agent = 'agent:another' WHERE call_id = 'call0002'",
        "UPDATE calls SET last_seq = 2 WHERE call_id = 'call0002'",
        "UPDATE calls SET call_id = 'call0002.' WHERE call_id = 'call0002'",
    ],
)
def test_a_call_that_is_not_found_as_its_lines_say_is_told(place: Path, sql: str) -> None:
    tamper(place, sql)
    said = bulkhead(place, "check", "--json")
    assert said.returncode == 9
    (wrong,) = json.loads(said.stdout)["wrong"]
    assert wrong.startswith("not found as their lines say: call call0002")


def test_what_is_kept_apart_of_another_line_is_told(place: Path) -> None:
    tamper(
        place,
        "UPDATE payload SET (key, data) = (SELECT key, data FROM payload WHERE id = 8) WHERE id = 24",
    )
    assert "line 3: arguments: a payload that is not its line's\n" in not_sound(place)


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (88, 11),  # a line that is not there
        (16, 2),  # one that has none
        (12, 1),  # of no class
        (-3, 0),
    ],
)
def test_a_payload_that_no_line_speaks_of_is_told(place: Path, payload: int, line: int) -> None:
    tamper(place, f"INSERT INTO payload SELECT {payload}, ref, key, data FROM payload WHERE id = 8")
    assert not_sound(place) == f"bulkhead: line {line}: a payload that no line speaks of\n"


def test_payloads_that_nobody_can_open_are_not_called_sound(place: Path) -> None:
    (place / ".bulkhead" / "secrets" / "journal.key").unlink()
    assert "payloads were not looked at" in not_sound(place)


def test_a_log_that_is_not_of_these_lines_is_told(place: Path) -> None:
    tamper(place, "UPDATE tile SET hashes = zeroblob(320)", "evidence.db")
    told = "the journal's log (evidence.db) was changed: it has another line 1\n"
    assert told in not_sound(place)


@pytest.mark.parametrize("size", [7, 10_000])
def test_a_checkpoint_kept_as_covering_other_lines_is_told_and_proves_nothing(
    place: Path, size: int
) -> None:
    tamper(place, f"UPDATE checkpoint SET size = {size}", "evidence.db")
    told = "1 of 1 checkpoints here are not signed by the key here, as they stand"
    assert told in not_sound(place)


def test_a_checkpoint_of_fewer_lines_kept_as_the_newest_proves_nothing(place: Path) -> None:
    call(place, 5, 6)
    tamper(place, "DELETE FROM checkpoint WHERE size = 12", "evidence.db")
    tamper(place, "UPDATE checkpoint SET size = 12", "evidence.db")
    said = bulkhead(place, "prove", "call0005")
    assert said.returncode == 2
    assert "a proof of this call would not hold" in said.stderr
    tamper(place, "UPDATE checkpoint SET note = 'none'", "evidence.db")
    assert "a checkpoint in evidence.db is none" in bulkhead(place, "prove", "call0005").stderr


def test_what_was_forgotten_is_not_missed(place: Path) -> None:
    tamper(place, "DELETE FROM payload")
    assert bulkhead(place, "check").returncode == 0


def test_a_checkpoint_that_was_changed_or_is_of_another_key_is_told(place: Path) -> None:
    nine = "replace(note, char(10) || '10' || char(10), char(10) || '9' || char(10))"
    tamper(place, f"UPDATE checkpoint SET note = {nine}", "evidence.db")
    assert "1 of 1 checkpoints here are not signed by the key here" in not_sound(place)
    (place / ".bulkhead" / "checkpoint.key").unlink()
    not_sound(place)


def test_a_checkpoint_kept_elsewhere_shows_a_history_written_anew(place: Path) -> None:
    elsewhere = place / "kept"
    elsewhere.write_text(bulkhead(place, "checkpoint").stdout, "utf-8")
    state = place / ".bulkhead"
    for file in [*state.glob("journal.db*"), *state.glob("evidence.db*")]:
        file.unlink()
    call(place, 3, 8)
    assert bulkhead(place, "check").returncode == 0
    assert bulkhead(place, "check", "--checkpoint", str(elsewhere)).returncode == 9


def test_a_proof_holds_with_nothing_but_the_public_key(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, file = bulkhead(place, "key").stdout, place / "proof.json"
    proof = json.loads(bulkhead(place, "prove", "call0002").stdout)
    file.write_text(json.dumps(proof))
    assert verify.main(["--key", key, str(file)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{file}: sound, 2 of 10 lines"
    assert [line[:18] for line in said[1:]] == ["  line 5      yes ", "  line 6      yes "]
    assert all("call0002" in line for line in said[1:])
    # What a warrant is checked for is not shown by it.
    assert verify.main(["--key", key, "--policy", "sha256:0", str(file)]) == 2
    file.write_text(json.dumps({**proof, "warrant": {"call": "call0002"}}))
    assert verify.main(["--key", key, str(file)]) == 2
    capsys.readouterr()
    proof["events"][1]["body"] = proof["events"][0]["body"]
    file.write_text(json.dumps(proof))
    assert verify.main(["--key", key, str(file)]) == 2
    assert "line 6 is not in the checkpoint's log" in capsys.readouterr().out


def test_the_log_of_a_new_key_is_proven_to_begin_with_that_of_the_old(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, state = bulkhead(place, "key").stdout.strip(), place / ".bulkhead"
    last, since = place / "last", place / "since.json"
    last.write_text(bulkhead(place, "checkpoint").stdout, "utf-8")
    for file in [state / "checkpoint.key", *state.glob("evidence.db*")]:
        file.unlink()
    call(place, 5, 7)
    assert bulkhead(place, "check", "--checkpoint", str(last)).returncode == 2
    assert bulkhead(place, "check", "--checkpoint", str(last), "--key", old).returncode == 0
    since.write_text(bulkhead(place, "extends", "--key", old, str(last)).stdout)
    asked = ["--key", bulkhead(place, "key").stdout, "--since", str(last), str(since)]
    assert verify.main(["--since-key", old, *asked]) == 0
    assert "sound, 10 lines of then, 14 now" in capsys.readouterr().out
    assert verify.main(asked) == 2


def test_a_log_that_grew_is_proven_to_be_the_same_log(place: Path) -> None:
    key = Key.parse(bulkhead(place, "key").stdout)
    (place / "old").write_text(bulkhead(place, "checkpoint").stdout, "utf-8")
    call(place, 5, 9)
    proof = json.loads(bulkhead(place, "extends", str(place / "old")).stdout)
    notes = (place / "old").read_text("utf-8"), proof["checkpoint"]
    old, new = (open_note(note, key) for note in notes)
    path = [base64.b64decode(step, validate=True) for step in proof["consistency"]]
    check_consistency(old, new, path)
    assert (old.size, new.size) == (10, 18)


def test_a_note_of_another_key_is_no_checkpoint(place: Path) -> None:
    (place / "odd").write_text("bulkhead/x\n3\nAAAA\n\n\u2014 bulkhead/x AAAA\n", "utf-8")
    said = bulkhead(place, "check", "--checkpoint", str(place / "odd"))
    assert said.returncode == 2
    assert "odd: no checkpoint" in said.stderr


def test_what_is_not_there_is_said_in_one_line(place: Path) -> None:
    said = bulkhead(place, "prove", "call9999")
    assert (said.returncode, said.stderr) == (
        1,
        "bulkhead: unknown_target: no call call9999, or more than one\n",
    )


def test_what_is_no_call_has_no_warrant_and_its_lines_can_be_proven(place: Path) -> None:
    """It would be said to have changed nothing, as a call that was not sent."""
    note = record.noted(call_record("note0001", method="grants/created", server=""), NOON, {}, ())
    asyncio.run(write(place / ".bulkhead" / "journal.db", note))
    open_sequencer(place / ".bulkhead").catch_up()
    said = run("warrant", "-c", str(place / "bulkhead.yaml"), "note0001")
    assert (said.returncode, said.stdout) == (2, "")
    assert "note0001 is no call to a tool server" in said.stderr
    assert bulkhead(place, "prove", "note0001").returncode == 0


@pytest.mark.parametrize("kind", ["refused", "intent"])
def test_a_call_that_begins_again_is_found(place: Path, kind: str) -> None:
    """A line that could be the first of a call, of one that has ended; its row is made to fit."""
    again = f'replace(body, \'"kind":"intent"\', \'"kind":"{kind}"\')'
    tamper(
        place,
        "INSERT INTO event (seq, call_id, kind, at, body)"
        f" SELECT 11, call_id, '{kind}', at, CAST({again} AS BLOB) FROM event WHERE seq = 1",
    )
    tamper(place, f"UPDATE calls SET state = '{kind}', last_seq = 11 WHERE call_id = 'call0000'")
    tamper(place, "UPDATE filed SET seq = 11")
    assert "not found as their lines say: call call0000" in not_sound(place)
