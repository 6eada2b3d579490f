"""The page of a rollback's promises has each of them once, with tests that exist and carry its number."""

from __future__ import annotations

from typing import Final

from tests.house.page import gone, named, rows
from tests.house.source import ROOT

PAGE: Final = (ROOT / "docs" / "reference" / "promises.md").read_text()
ROWS: Final = rows(PAGE, r"P\d+ \|")


def test_every_promise_is_there_once() -> None:
    assert [row[0] for row in ROWS] == [f"P{number}" for number in range(1, 15)]


def test_every_promise_has_tests_of_its_number_that_exist() -> None:
    wrong = [
        (number, name)
        for number, _, tests in ROWS
        for _, name in named(tests)
        if not name.startswith(f"test_{number.lower()}_")
    ]
    assert all(named(tests) for _, _, tests in ROWS)
    assert wrong == []
    assert gone(PAGE) == []
