"""Whatever is done to the log's own tiles is found; a log that is behind, or that grows meanwhile, is sound."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.core.apart import Filed
from gateway.core.record import State
from gateway.evidence.retaken import Retaken
from gateway.evidence.tiles import Tiles
from gateway.evidence.verify import leaf_hash
from gateway.journals.tilefile import TileFile

LINES = 700
"""Three tiles of leaves, and one above them."""
TILE = 256 * 32


def line(number: int) -> Filed:
    return Filed(number, f"call{number}", State.INTENT, number, b"%d" % number)


def lines(count: int) -> list[Filed]:
    return [line(number) for number in range(1, count + 1)]


def add(file: TileFile, events: Iterable[Filed]) -> None:
    Tiles(file).append([leaf_hash(each.body) for each in events])


@pytest.fixture
def file(tmp_path: Path) -> TileFile:
    file = TileFile(tmp_path / "evidence.db")
    add(file, lines(LINES))
    return file


def wrong(file: TileFile, events: Iterable[Filed], signed: int = 0) -> list[str]:
    log = Retaken(file, signed)
    list(log.passing(events))
    return [
        each.removeprefix("the journal's log (evidence.db) was changed: ") for each in log.wrong()
    ]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (
            "UPDATE tile SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB) WHERE (level, number) = (0, 1)",
            "it has another line 257",
        ),
        (
            "UPDATE tile SET hashes = CAST(substr(hashes, 1, 32) || zeroblob(32) AS BLOB) WHERE level = 1",
            "tile 1/0 does not follow from the lines",
        ),
        (
            "UPDATE tile SET hashes = (SELECT hashes FROM tile WHERE number = 1) WHERE (level, number) = (0, 0)",
            "it has another line 1",
        ),
        (
            "DELETE FROM tile WHERE (level, number) = (0, 1)",
            f"tile 0/1 has 0 bytes, and {TILE} belong there",
        ),
        (
            "DELETE FROM tile WHERE level = 1",
            "tile 1/0 has 0 bytes, and 64 belong there",
        ),
        (
            "UPDATE tile SET hashes = CAST(hashes || zeroblob(32) AS BLOB) WHERE level = 1",
            "tile 1/0 has 96 bytes, and 64 belong there",
        ),
        (
            "UPDATE tile SET hashes = substr(hashes, 1, 33) WHERE (level, number) = (0, 2)",
            "tile 0/2 has 33 bytes, and 64 belong there",
        ),
        (
            "INSERT INTO tile VALUES (3, 9, zeroblob(32))",
            "tile 3/9 has 32 bytes, and 0 belong there",
        ),
        (
            "INSERT INTO tile VALUES (0, 1000000000000, zeroblob(32))",
            "the journal has 700 lines, its log (evidence.db) 256000000000001",
        ),
    ],
)
def test_a_tile_that_is_not_what_the_lines_make_is_named(
    file: TileFile, tmp_path: Path, sql: str, told: str
) -> None:
    owner = sqlite3.connect(tmp_path / "evidence.db")
    owner.execute(sql)
    owner.commit()
    owner.close()
    assert wrong(file, lines(LINES)) == [told]


@pytest.mark.parametrize("taken", [1, 255, 256, 257, 512, 699, 700])
def test_a_log_that_is_behind_its_journal_is_sound(tmp_path: Path, taken: int) -> None:
    file = TileFile(tmp_path / "evidence.db")
    add(file, lines(taken))
    assert wrong(file, lines(LINES), taken) == []


def test_a_log_that_grows_while_the_lines_are_read_is_sound(file: TileFile) -> None:
    log = Retaken(file, LINES)
    add(file, lines(1_300)[LINES:])
    assert len([*log.passing(lines(LINES + 1))]) == LINES + 1
    assert [*log.wrong()] == []


def test_a_log_shorter_than_a_checkpoint_beside_it_is_told(tmp_path: Path) -> None:
    file = TileFile(tmp_path / "evidence.db")
    add(file, lines(3))
    assert wrong(file, lines(4), 4) == ["tile 0/0 has 96 bytes, and 128 belong there"]


def test_of_many_places_a_few_are_named(file: TileFile) -> None:
    others = [line(number + 1) for number in range(1, 256 * 9)]
    add(file, others)
    told = wrong(file, lines(LINES + len(others)))
    assert len(told) == 6
    assert told[0] == "it has another line 701"
    assert told[-1] == "the journal's log (evidence.db) was changed in 6 more places"
