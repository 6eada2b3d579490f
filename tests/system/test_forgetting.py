"""`bulkhead journal forget` beside a gateway that serves: nothing is left to read, and every proof still holds."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.journals.sqlite import SqliteReader
from tests.evidence.alone import verified
from tests.system.test_rollback import Place, place

BEFORE = "a diary nobody may read, of old"
AFTER = "a diary nobody may read, of late"
NAME = "diary-of-alice.txt"


def made(here: Place, path: str, content: str) -> str:
    """The id of an agent's write."""
    here.do(("write_file", {"path": path, "content": content}))
    [call] = json.loads(
        here.home.run("journal", "list", "--json", "--agent", "agent:demo", "-n", "1").stdout
    )
    return str(call["call_id"])


def everything(here: Place) -> bytes:
    """The bytes of the whole state directory, but the keys."""
    paths = [path for path in (here.home.root / ".bulkhead").rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in paths if path.suffix != ".key")


def payloads(here: Place) -> list[bytes]:
    """Wrapped keys and ciphertexts, as they lie in the file."""
    with closing(sqlite3.connect(here.home.root / ".bulkhead" / "journal.db")) as db:
        return [raw for row in db.execute("SELECT key, data FROM payload") for raw in row]


def backup(here: Place, to: Path) -> bytes:
    with closing(sqlite3.connect(here.home.root / ".bulkhead" / "journal.db")) as db:
        with closing(sqlite3.connect(to)) as copy:
            db.backup(copy)
    return to.read_bytes()


def checked(here: Place, call: str, tmp_path: Path) -> tuple[int, str]:
    """The verdicts of the call's warrant."""
    until = time.monotonic() + 20
    while not (said := here.home.run("warrant", call).stdout):
        assert time.monotonic() < until, "no checkpoint covers it"
    return verified(json.loads(said), here.home.must("evidence", "key"), tmp_path)


def test_what_is_forgotten_is_nowhere_and_every_proof_holds(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        (here.files / NAME).write_text(BEFORE)
        here.do(("write_file", {"path": "crlf.txt", "content": "first"}))
        call = made(here, NAME, AFTER)
        other = made(here, "other.txt", "kept")
        held = payloads(here)
        status, said = forget(here, "--call", call)
        left = set(payloads(here))
        raw, copy = everything(here), backup(here, tmp_path / "backup.db")
        gone = [one for one in held if one not in left]
        shown = here.home.run("journal", "show", call, "--json").stdout
        sound = here.home.run("evidence", "check").stdout
        exit_status, verdicts = checked(here, call, tmp_path)
        undone, report = here.rollback(call, "--yes")
        kept, _ = here.rollback(other, "--yes")
        after = here.world()
    assert (status, said["calls"], said["certain"]) == (0, [call], True)
    assert len(gone) >= 6, "arguments and images of the call, and of the reads made for it"
    for needle in [*gone, *(word.encode() for word in (BEFORE, AFTER, NAME, "diary"))]:
        assert needle not in raw
        assert needle not in copy
    assert "diary" not in shown
    assert "sound" in sound and "NOT" not in sound
    assert exit_status == 1
    assert "sound, call" in verdicts and "forgotten" in verdicts
    assert undone != 0
    assert "forgotten" in json.dumps(report)
    assert after[NAME] == AFTER.encode()
    assert kept in (0, 3)
    assert "other.txt" not in after


def forget(here: Place, *words: str) -> tuple[int, Any]:
    ran = here.home.run("journal", "forget", *words, "--json", "--as", "keeper", timeout=60)
    return ran.returncode, json.loads(ran.stdout) if ran.stdout else ran.stderr


def test_a_subject_is_found_wherever_it_is_named_and_no_other_call_is_touched(
    tmp_path: Path,
) -> None:
    with place(tmp_path) as here:
        (here.files / "list.txt").write_text("alice@example.com")
        named = made(here, "mail.txt", "to alice@example.com: hello")
        imaged = made(here, "list.txt", "nobody")
        plain = made(here, "plain.txt", "nothing")
        _, planned = forget(here, "--subject", "alice@example.com", "--dry-run")
        status, said = forget(here, "--subject", "alice@example.com")
        with closing(SqliteReader(here.home.root / ".bulkhead" / "journal.db")) as reader:
            kept = {call: reader.lines(call)[0].lost for call in (named, imaged, plain)}
    assert {named, imaged} <= set(said["calls"]) == set(planned["calls"])
    assert plain not in said["calls"]
    assert status == 0
    assert kept == {
        named: {"arguments", "images"}, imaged: {"arguments", "images"}, plain: frozenset(),
    }  # fmt: skip


def test_forgetting_a_call_that_nobody_knows_ends_with_1(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        status, said = forget(here, "--call", "nosuchcall")
    assert status == 1
    assert "no call" in said
