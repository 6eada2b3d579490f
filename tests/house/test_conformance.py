"""The checklist in docs/reference/conformance.md names tests that exist, and answers every line."""

from __future__ import annotations

from typing import Final

from gateway.core import settle
from gateway.wire.servers import rounds
from tests.house.page import gone, named, rows
from tests.house.source import ROOT

PAGE: Final = (ROOT / "docs" / "reference" / "conformance.md").read_text()
ROWS: Final = rows(PAGE, r"[A-Z]\d+ \|")
LINES: Final = {"A": 6, "H": 9, "S": 5, "L": 5, "O": 7, "B": 6, "G": 7, "X": 7, "J": 3, "P": 3}
"""How many lines the checklist has under each letter."""


def test_every_line_of_the_checklist_is_there_once() -> None:
    wanted = [f"{letter}{n}" for letter, most in LINES.items() for n in range(1, most + 1)]
    assert [row[0] for row in ROWS] == wanted


def test_every_line_names_a_test_or_a_reason() -> None:
    assert [row[0] for row in ROWS if not named(row[2]) and not row[3]] == []


def test_every_test_the_page_names_exists() -> None:
    assert named(PAGE)
    assert gone(PAGE) == []


def test_every_code_of_our_own_is_outside_the_reserved_range() -> None:
    own = [code for code, _, _ in settle.GATEWAY_ERRORS.values()] + [rounds.UNANSWERED]
    assert [code for code in own if -32768 <= code <= -32000] == []
