"""The official conformance suite against a real gateway: what passes directly passes through it.

The whole table, cross-era cells and client leg included, is `make conformance`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import suite
from tests.conformance.cell import Cell, cell
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
    direct, through = (
        suite.run("server", ["--url", url, *run.words], tmp_path / way)
        for way, url in (("direct", there.direct), ("through", there.through))
    )
    required = suite.required(run.revision or "", "server")
    row = Row("both", run.name, direct, through, required)
    assert [name for name in required.scored if not direct[name].passed] == []
    assert row.lost == [], "\n".join(details(row))
    assert row.worse == [], "\n".join(details(row))
