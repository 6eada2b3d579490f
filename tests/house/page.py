"""A page whose table's rows name the tests that hold them."""

from __future__ import annotations

import re

from tests.house.source import ROOT, functions


def rows(page: str, first: str) -> list[list[str]]:
    """The cells of each row whose first cell fits the pattern."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if re.match(rf"\| {first}", line)
    ]


def named(cell: str) -> list[tuple[str, str]]:
    """The tests a cell names, as file and function."""
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell)


def gone(cell: str) -> list[tuple[str, str]]:
    """Of the tests a cell names those that do not exist."""
    return [(file, name) for file, name in named(cell) if name not in dict(functions(ROOT / file))]
