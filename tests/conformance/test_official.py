"""The official conformance suite against a real gateway: what passes directly passes through it.

The whole table, cross-era cells and client leg included, is `make conformance`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conformance import suite
from tests.conformance.cell import Cell, cell
from tests.conformance.suite import Result
from tests.conformance.table import RUNS, Row, Run, details

SHORT = [run for run in RUNS if run.revision is not None]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    with cell(tmp_path_factory.mktemp("cell"), "both") as both:
        yield both


@pytest.mark.parametrize("run", SHORT, ids=lambda run: run.name)
def test_what_passes_directly_passes_through_the_gateway(
    run: Run, there: Cell, tmp_path: Path
) -> None:
    row = compared(run, there, tmp_path / "first")
    if missed(row):
        # The suite gives some answers 0.6 s: a busy machine gets a second chance, a fault does not mend.
        row = compared(run, there, tmp_path / "second")
    assert missed(row) == [], "\n".join(details(row))


def compared(run: Run, there: Cell, out: Path) -> Row:
    """The suite directly and through the gateway, at the same time."""

    def measured(way: str) -> dict[str, Result]:
        return suite.run("server", ["--url", getattr(there, way), *run.words], out / way)

    with ThreadPoolExecutor(2) as threads:
        direct, through = threads.map(measured, ("direct", "through"))
    return Row("both", run.name, direct, through, suite.required(run.revision or "", "server"))


def missed(row: Row) -> list[str]:
    """Scored scenarios the fixture itself does not pass, those lost on the way, and unscored ones that got worse."""
    failed = [name for name in row.required.scored if not row.direct[name].passed]
    return [*failed, *row.lost, *row.worse]
