"""Batches of any size are written by few statements."""

from __future__ import annotations

import pytest

from gateway.journals.rows import MOST, chunks, flat, statement


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257, 1_023])
def test_a_batch_is_cut_into_few_sizes_and_nothing_is_lost(count: int) -> None:
    cut = list(chunks(range(count)))
    assert [row for chunk in cut for row in chunk] == list(range(count))
    assert {len(chunk) for chunk in cut} <= {2**n for n in range(9)}
    assert all(len(chunk) <= MOST for chunk in cut)


@pytest.mark.parametrize("count", [0, 1, 3, 256, 257, 1_023])
def test_no_row_is_cut_in_two(count: int) -> None:
    cut = list(chunks(range(5 * count), 5))
    assert [value for chunk in cut for value in chunk] == list(range(5 * count))
    assert {len(chunk) for chunk in cut} <= {5 * 2**n for n in range(9)}


def test_a_statement_has_a_place_for_every_value_of_its_rows() -> None:
    rows = [(1, "a"), (2, "b"), (3, "c")]
    said = statement("INSERT INTO t VALUES ", "(?, ?)", len(rows), " RETURNING a")
    assert said == "INSERT INTO t VALUES (?, ?), (?, ?), (?, ?) RETURNING a"
    assert flat(rows) == [1, "a", 2, "b", 3, "c"]
