"""The page of controls names tests and stories that exist, and every item of the catalogues it maps to."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.house.page import gone, named, rows
from tests.house.source import ROOT

PAGE: Final = (ROOT / "docs" / "reference" / "controls.md").read_text()
ROWS: Final = rows(PAGE, r"(ASI|NHI|MCP|L|GOVERN|Tenet)[ \d]")
ITEMS: Final = {
    *(f"ASI{number:02}" for number in range(1, 11)),
    *(f"NHI{number}" for number in range(1, 11)),
    *(f"MCP{number:02}" for number in range(1, 11)),
    *(f"L{number}" for number in range(1, 8)),
    *(f"GOVERN {item}" for item in "1.2 1.3 1.4 1.5 1.6 1.7 2.1 3.2 4.3 6.1 6.2".split()),
    *(f"Tenet {number}" for number in range(1, 8)),
}
NOTHING: Final = {"L1"}
"""What the page says no control bears on."""


def test_every_item_is_there_once() -> None:
    assert sorted(row[0] for row in ROWS) == sorted(ITEMS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_item_has_its_control_and_what_shows_it(row: list[str]) -> None:
    _, about, control, shown = row
    stories = re.findall(r"scenarios/([\w-]+)/README\.md", shown)
    assert about and control
    assert bool(named(shown) or stories) is (row[0] not in NOTHING)
    assert gone(shown) == []
    assert [
        name for name in stories if not (ROOT / "scenarios" / name / "story.yaml").exists()
    ] == []


def test_the_page_claims_no_compliance() -> None:
    """A catalogue is mapped to; who complies with it is for an auditor to say."""
    assert re.search(r"\bcompl(iant|ies)|certified", PAGE, re.IGNORECASE) is None
