"""`make conformance`: the official suite, directly and through Bulkhead, side by side, as a table.

Exit status 1 if a scored scenario that passes directly fails through the gateway, in any cell.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.conformance import driven, suite
from tests.conformance.cell import Cell, Eras, cell
from tests.conformance.suite import Release, Required, Result

Results = Mapping[str, Result]


@dataclass(frozen=True, slots=True)
class Run:
    """One way to run the suite."""

    name: str
    words: tuple[str, ...]
    revision: str | None
    """Whose frozen list says what is scored; without one, all that runs is."""
    release: Release = "next"


RUNS = (
    Run("2026-07-28", ("--requirements", "2026-07-28"), "2026-07-28"),
    Run("2025-11-25", ("--requirements", "2025-11-25"), "2025-11-25"),
    Run("2025-06-18", ("--suite", "all", "--spec-version", "2025-06-18"), None),
    Run("2025-03-26", ("--suite", "all", "--spec-version", "2025-03-26"), None),
    Run("0.1.16 active", ("--suite", "active"), None, "latest"),
)
CELLS: tuple[tuple[Eras, Sequence[str]], ...] = (
    ("both", [run.name for run in RUNS]),
    ("sessions", ["2026-07-28", "2025-11-25"]),
    ("stateless", ["2026-07-28", "2025-11-25"]),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison."""

    cell: str
    run: str
    direct: Results
    through: Results
    required: Required

    @property
    def lost(self) -> list[str]:
        """Scored scenarios that pass directly and not through the gateway."""
        return [
            n for n in self.required.scored if _passes(self.direct, n) > _passes(self.through, n)
        ]

    @property
    def unlike(self) -> list[str]:
        """Unscored scenarios whose checks come out otherwise through the gateway."""
        return [
            name
            for name in self.required.unscored
            if name in self.direct
            and self.direct[name].counts != self.through.get(name, Result(())).counts
        ]

    @property
    def worse(self) -> list[str]:
        """Of those, the ones in which a check fails that passes directly."""
        return [n for n in self.unlike if _failed(self.through, n) - _failed(self.direct, n)]

    def cells(self) -> list[str]:
        """The row as it is printed."""
        scored = self.required.scored
        direct, through = (
            sum(_passes(results, name) for name in scored)
            for results in (self.direct, self.through)
        )
        same = len([name for name in self.required.unscored if name in self.direct])
        return [
            self.cell,
            self.run,
            f"{direct}/{len(scored)}",
            f"{through}/{len(scored)}",
            f"{same - len(self.unlike)}/{same}" if same else "-",
            ", ".join([*self.lost, *(f"({name})" for name in self.unlike)]) or "-",
        ]


def _failed(results: Results, name: str) -> Counter[str]:
    checks = results[name].checks if name in results else ((name, "FAILURE", "did not run"),)
    return Counter(id for id, status, _ in checks if status == "FAILURE")


def _passes(results: Results, name: str) -> bool:
    return name in results and results[name].passed


def compare(
    era: Eras, names: Sequence[str], out: Path, standard: dict[str, Results]
) -> Iterator[Row]:
    """The rows of one cell. A server of one era cannot pass the other era's suite directly: there the
    same server with both eras is the standard."""
    with cell(out / era, era) as there:
        for run in (run for run in RUNS if run.name in names):
            if run.name not in standard:
                standard[run.name] = _run(run, there.direct, out / era / "direct")
            through = _run(run, there.through, out / era / "through")
            yield Row(era, run.name, standard[run.name], through, _required(run, era, standard))


def _run(run: Run, url: str, out: Path) -> Results:
    words = ["--url", url, *run.words]
    return suite.run("server", words, out / run.name.replace(" ", "-"), release=run.release)


def _required(run: Run, era: Eras, standard: Mapping[str, Results]) -> Required:
    if run.revision is None:
        return Required(tuple(standard[run.name]), ())
    required = suite.required(run.revision, "server")
    if era != "sessions":
        return required
    # The tasks extension is of the stateless era: a server of the older one has none to relay.
    unscored = tuple(name for name in required.unscored if not name.startswith("tasks-"))
    return Required(required.scored, unscored)


def client_rows(out: Path) -> Iterator[Row]:
    """The gateway as a client of the suite's own servers."""
    for revision in suite.REVISIONS:
        names = driven.SCENARIOS[revision]
        direct, through = (
            driven.run(revision, names, out / "client" / way, way) for way in driven.WAYS
        )
        yield Row("client leg", revision, direct, through, Required(names, ()))


def details(row: Row) -> Iterator[str]:
    """What failed, in the suite's words."""
    for name in [*row.lost, *row.unlike]:
        failures = row.through[name].failures if name in row.through else ("it did not run",)
        directly = row.direct[name].failures
        for failure in dict.fromkeys(failures):
            if failure not in directly:
                yield f"{row.cell} {row.run} {name}: {failure[:400]}"


def main() -> int:
    """Print the table; 0 if nothing scored is lost."""
    parser = argparse.ArgumentParser(prog="tests.conformance.table", description=__doc__)
    parser.add_argument("--cell", choices=["both", "sessions", "stateless", "client"])
    parser.add_argument("--run", choices=[run.name for run in RUNS])
    parser.add_argument("--keep", type=Path, help="keep the suite's own reports in this new folder")
    given = parser.parse_args()
    if given.keep and given.keep.exists():
        parser.error(f"{given.keep} exists already")
    with tempfile.TemporaryDirectory() as made:
        rows = list(_rows(given.cell, given.run, given.keep or Path(made)))
    table = Table("cell", "suite", "direct", "through", "unscored equal", "differences")
    for row in rows:
        table.add_row(*row.cells())
    console = Console(width=160)
    console.print(table)
    for row in rows:
        for line in details(row):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 1 if any(row.lost for row in rows) else 0


def _rows(only_cell: str | None, only_run: str | None, out: Path) -> Iterator[Row]:
    standard: dict[str, Results] = {}
    for era, names in CELLS:
        if only_cell in (None, era):
            wanted = [name for name in names if only_run in (None, name)]
            if only_cell is not None and era != "both":
                with cell(out / "standard", "both") as both:
                    _measure(both, wanted, out, standard)
            yield from compare(era, wanted, out, standard)
    if only_cell in (None, "client"):
        yield from client_rows(out)


def _measure(both: Cell, names: Sequence[str], out: Path, standard: dict[str, Results]) -> None:
    for run in RUNS:
        if run.name in names:
            standard[run.name] = _run(run, both.direct, out / "standard")


if __name__ == "__main__":
    sys.exit(main())
