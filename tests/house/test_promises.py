"""The page of a rollback's promises has each of them once, with tests that exist and carry its number."""

from __future__ import annotations

import re
from typing import Final

from tests.house.source import ROOT
from tests.house.test_conformance import functions, named

PAGE: Final = (ROOT / "docs" / "reference" / "promises.md").read_text()
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| P\d+ \|", line)
]


def test_every_promise_is_there_once() -> None:
    assert [row[0] for row in ROWS] == [f"P{number}" for number in range(1, 15)]


def test_every_promise_has_tests_of_its_number_that_exist() -> None:
    wrong = [
        (number, name)
        for number, _, tests in ROWS
        for file, name in named(tests)
        if not name.startswith(f"test_{number.lower()}_") or name not in functions(file)
    ]
    assert all(named(tests) for _, _, tests in ROWS)
    assert wrong == []
