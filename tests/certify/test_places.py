"""Places: moved wherever they are named, never where something only looks like one; seen as what they hold."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.certify.places import Places
from gateway.errors import Misconfigured
from gateway.settings import ServerSettings


def moved(world: Path, *places: str, **settings: object) -> ServerSettings:
    made = ServerSettings.model_validate({"cwd": "/srv/app", **settings})
    return Places.of(places).moved("notes", made, world)


@pytest.mark.parametrize(
    ("word", "then"),
    [
        ("/srv/notes.db", "{0}/notes.db"),
        ("--db=/srv/notes.db", "--db={0}/notes.db"),
        ("sqlite:////srv/notes.db?mode=rw", "sqlite:///{0}/notes.db?mode=rw"),
        ("/srv/notes.db.bak", "/srv/notes.db.bak"),
        ("/old/srv/notes.db", "/old/srv/notes.db"),
        ("/srv/data/a/b", "{1}/data/a/b"),
        ("/srv/data-2", "/srv/data-2"),
        ("../data/a", "{1}/data/a"),
        ("--dir=../data", "--dir={1}/data"),
        ("--verbose", "--verbose"),
    ],
)
def test_a_place_is_moved_wherever_it_is_named(tmp_path: Path, word: str, then: str) -> None:
    done = moved(tmp_path, "/srv/notes.db", "/srv/data", command=("run", word, "/srv/data"))
    assert done.command is not None
    assert done.command[1] == then.format(tmp_path / "0", tmp_path / "1")


def test_it_is_moved_in_the_environment_the_directory_and_the_packs_values_too(
    tmp_path: Path,
) -> None:
    told = {"set": {"DB": "/srv/app/notes.db", "X": "y"}}
    done = moved(
        tmp_path, "/srv/app", command=("notes",), environment=told, undo={"root": "/srv/app"}
    )
    there = str(tmp_path / "0" / "app")
    assert done.environment.set == {"DB": f"{there}/notes.db", "X": "y"}
    assert (done.cwd, done.undo["root"]) == (there, there)


def test_a_server_that_would_run_on_its_real_world_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="real world"):
        moved(tmp_path, "/srv/notes.db", command=("run", "/srv/other.db"))
    with pytest.raises(Misconfigured, match="not started by us"):
        moved(tmp_path, "/srv/notes.db", url="http://127.0.0.1:1/mcp")


def test_a_place_is_copied_once_and_seen_as_what_it_holds(tmp_path: Path) -> None:
    home, world = tmp_path / "home", tmp_path / "world"
    (home / "sub").mkdir(parents=True)
    world.mkdir()
    (home / "state.json").write_text('{"b": [1, 2], "a": 1}')
    (home / "sub" / "raw").write_bytes(b"\xff")
    base = sqlite3.connect(home / "notes.db", isolation_level=None)
    base.executescript("PRAGMA journal_mode=WAL; CREATE TABLE n (b); INSERT INTO n VALUES (1)")
    places = Places.of([str(home)])
    places.copied(world)
    there = world / "0" / "home"
    before = places.seen(world)
    assert not any(name.endswith(("-wal", "-shm", "notes.db")) for name in before), before
    (there / "state.json").write_text('{\n "a": 1,\n "b": [1, 2]}')
    with sqlite3.connect(there / "notes.db") as copy:
        copy.execute("INSERT INTO n VALUES (2)")
        copy.execute("DELETE FROM n WHERE b = 2")
    assert places.seen(world) == before
    (there / "state.json").write_text('{"a": 1, "b": [2, 1]}')
    (there / "sub" / "raw").write_bytes(b"\xfe")
    with sqlite3.connect(there / "notes.db") as copy:
        copy.execute("UPDATE n SET b = 3")
    now = places.seen(world)
    assert {n.split(" ")[1] for n in before.keys() | now.keys() if before.get(n) != now.get(n)} == {
        "state.json",
        "sub/raw",
        "notes.db",
    }
    places.copied(world)
    assert places.seen(world) == now
    base.close()
