"""What the how-to promises the owner of a server nobody knows: a companion of twenty lines, and a certificate.

The companion is the one of docs/how-to/write-an-undo-pack.md, word for word.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.certify import schemas
from gateway.certify.places import Places
from gateway.cli import root
from gateway.errors import Misconfigured
from tests.house.source import ROOT
from tests.system import starter
from tests.system.home import Home

SERVER = Path(__file__).parent / "notes_server.py"
PAGE = ROOT / "docs" / "how-to" / "write-an-undo-pack.md"
RUNS = ("--runs", "6", "--seed", "5")


def companion() -> str:
    """The page's own."""
    (code,) = re.findall(r"```python\n(# notes_undo.py\n.*?)```", PAGE.read_text(), re.S)
    return str(code)


@dataclass(frozen=True)
class Owner:
    """A server of notes with a companion: approved and drafted, its database as someone left it."""

    root: Path
    home: Home

    @classmethod
    def begun(cls, root: Path) -> Owner:
        owner = cls(root, Home.make(root / "home", servers(root)))
        with sqlite3.connect(root / "notes.db") as database:
            database.execute("CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT, tags TEXT)")
            database.execute(
                "INSERT INTO notes VALUES ('n0', 'begun', ''), ('n7', 'seven', 'done')"
            )
        (root / "notes_undo.py").write_text(companion())
        owner.home.approve("notes", "notes-undo")
        owner.home.must("undo", "draft", "notes", "--write")
        return owner

    @property
    def packs(self) -> Path:
        return self.home.root / "policies" / "undo"

    def certify(self, *words: str) -> Result:
        """The command, in this process: four times as fast."""
        named = ("undo", "certify", "notes", *words, "--config", str(self.home.config))
        return CliRunner().invoke(root, named)

    def companion_says(self, code: str) -> None:
        (self.root / "notes_undo.py").write_text(code)

    def server_is_told(self, *words: str) -> None:
        tree = json.loads(self.home.config.read_text())
        tree["servers"] = servers(self.root, *words)
        self.home.config.write_text(json.dumps(tree))

    def rows(self) -> list[tuple[str, ...]]:
        with sqlite3.connect(self.root / "notes.db") as database:
            return database.execute("SELECT * FROM notes ORDER BY id").fetchall()


def servers(root: Path, *words: str) -> dict[str, dict[str, Any]]:
    file = str(root / "notes.db")
    undo = [starter.python(), str(root / "notes_undo.py"), file]
    return {
        "notes": {"command": [starter.python(), str(SERVER), file, *words]},
        "notes-undo": {"command": undo, "companion_of": "notes"},
    }


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Owner:
    return Owner.begun(tmp_path_factory.mktemp("owner"))


@pytest.fixture
def owner(begun: Owner) -> Iterator[Owner]:
    yield begun
    begun.companion_says(companion())
    begun.server_is_told()
    (begun.packs / "notes.lock").unlink(missing_ok=True)


def test_a_server_nobody_knows_is_certified_by_the_how_to(owner: Owner) -> None:
    there = owner.rows()
    done = owner.certify("--world", str(owner.root / "notes.db"), *RUNS)
    assert done.exit_code == 0, done.output
    assert owner.rows() == there  # the real world was not touched
    (told,) = json.loads(owner.home.must("undo", "check", "--json"))
    assert told["certified_for"] == ["1.4"]
    assert {case["level"] for tool in told["tools"] for case in tool["cases"]} == {"set_exact"}
    lock = json.loads((owner.packs / "notes.lock").read_text())["certificate"]
    assert lock["cases"].keys() == {"new_note#1", "tag_note#1", "drop_note#1"}
    assert lock["ground"] == "schemas, seen by world notes.db, reads, records"
    assert lock["restored"] == lock["calls"] > 0


def test_a_companion_that_forgets_something_is_found_out(owner: Owner) -> None:
    """It does not see the tags, and does not put them back: the database does not lie."""
    code = companion()
    assert '"tags": row[1]' in code
    owner.companion_says(code.replace('"tags": row[1]', '"tags": ""'))
    done = owner.certify("--world", str(owner.root / "notes.db"), *RUNS)
    assert done.exit_code == 1
    assert "not certified: run " in done.output
    assert 'notes.db: INSERT INTO "notes"' in done.output
    assert not (owner.packs / "notes.lock").exists()


def test_what_the_owner_lets_stay_is_named_and_stands_in_the_certificate(owner: Owner) -> None:
    owner.server_is_told("log")
    certify = ("--world", str(owner.root / "notes.db"), *RUNS)
    refused = owner.certify(*certify)
    assert refused.exit_code == 1
    assert 'INSERT INTO "log"' in refused.output
    done = owner.certify(*certify, "--leave", 'INTO "log"')
    assert done.exit_code == 0, done.output
    lock = json.loads((owner.packs / "notes.lock").read_text())
    assert lock["certificate"]["ground"].endswith(""", leaving 'INTO "log"'""")


def test_a_case_nobody_reached_is_named_with_what_the_server_said(owner: Owner) -> None:
    with pytest.raises(Misconfigured) as refused:
        raised(owner.certify("--world", str(owner.root / "notes.db"), "--runs", "1"))
    said = refused.value.message
    assert re.search(r"never reached: \w+#1 \(.*notes\.yaml:\d+\), called \d+ times", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "what does notes work on?"),
        (("--world", "/nowhere/else"), "would be started on its real world"),
        (("--world", "notes.db", "--leave", "("), "not an RE2 pattern"),
    ],
)
def test_what_is_missing_is_said_before_anything_runs(
    owner: Owner, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(Misconfigured, match=re.escape(said)):
        raised(owner.certify(*words))


def test_a_server_that_says_no_version_is_turned_away_before_anything_runs(owner: Owner) -> None:
    owner.server_is_told("unversioned")
    with pytest.raises(Misconfigured, match="notes does not say its version"):
        raised(owner.certify("--world", str(owner.root / "notes.db"), "--runs", "1"))


def test_a_path_that_calls_are_told_leads_to_the_copy_not_to_the_real_world(tmp_path: Path) -> None:
    """A server of documents is told where they are by each call, not by its command."""
    real, world = tmp_path / "documents", tmp_path / "scratch"
    takes = {"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}}}
    tools = schemas.Tools("documents", None, {"write": takes}, {})
    ground = schemas.Ground(tools, Places.of([str(real)]))
    ground.finds.tell("path", f"{real}/a.txt")  # as --value, or a row of the seed, has it
    told = {ground.call(world, run, Random(run))[1]["path"] for run in range(40)}
    assert f"{world}/0/documents/a.txt" in told
    assert not [path for path in told if path.startswith(str(real))]


def raised(done: Result) -> None:
    assert done.exception is not None
    raise done.exception
