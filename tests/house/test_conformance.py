"""The checklist in docs/reference/conformance.md names tests that exist, and answers every line."""

from __future__ import annotations

import ast
import re
from typing import Final

from gateway.core import settle
from gateway.wire.servers import rounds
from tests.house.source import ROOT, tree

PAGE: Final = (ROOT / "docs" / "reference" / "conformance.md").read_text()
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| [A-Z]\d+ \|", line)
]
LINES: Final = {"A": 6, "H": 9, "S": 5, "L": 5, "O": 7, "B": 6, "G": 7, "X": 7, "J": 3, "P": 3}
"""How many lines the checklist has under each letter."""


def named(cell: str) -> list[tuple[str, str]]:
    """The tests a cell names, as file and function."""
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell)


def functions(file: str) -> set[str]:
    return {
        node.name
        for node in ast.walk(tree(ROOT / file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_line_of_the_checklist_is_there_once() -> None:
    wanted = [f"{letter}{n}" for letter, most in LINES.items() for n in range(1, most + 1)]
    assert [row[0] for row in ROWS] == wanted


def test_every_line_names_a_test_or_a_reason() -> None:
    assert [row[0] for row in ROWS if not named(row[2]) and not row[3]] == []


def test_every_test_the_page_names_exists() -> None:
    gone = [(file, name) for file, name in named(PAGE) if name not in functions(file)]
    assert named(PAGE)
    assert gone == []


def test_every_code_of_our_own_is_outside_the_reserved_range() -> None:
    own = [code for code, _, _ in settle.GATEWAY_ERRORS.values()] + [rounds.UNANSWERED]
    assert [code for code in own if -32768 <= code <= -32000] == []
