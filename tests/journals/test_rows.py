"""Batches of any size are written by few statements."""

from __future__ import annotations

import pytest

from gateway.journals.rows import MOST, Many, flat, statement

SIZES = {1, 2, 3, *(size << power for size in range(4, 8) for power in range(6)), MOST}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257, 1_023])
def test_a_batch_is_cut_into_few_sizes_and_nothing_is_lost(count: int) -> None:
    cut = [some for _, some in Many("SELECT ", "?").over(range(count))]
    assert [row for some in cut for row in some] == list(range(count))
    assert {len(some) for some in cut} <= SIZES
    assert len(cut) <= 3 + count // MOST


@pytest.mark.parametrize("count", [0, 1, 3, 256, 257, 1_023])
def test_no_row_is_cut_in_two(count: int) -> None:
    cut = list(Many("VALUES ", "(?, 'same', ?, ?)").over(range(3 * count)))
    assert [value for _, some in cut for value in some] == list(range(3 * count))
    assert {len(some) for _, some in cut} <= {3 * size for size in SIZES}
    assert all(text.count("?") == len(some) for text, some in cut)


def test_a_statement_has_a_place_for_every_value_of_its_rows() -> None:
    rows = [(1, "a"), (2, "b"), (3, "c")]
    said = statement("INSERT INTO t VALUES ", "(?, ?)", len(rows), " RETURNING a")
    assert said == "INSERT INTO t VALUES (?, ?), (?, ?), (?, ?) RETURNING a"
    assert flat(rows) == [1, "a", 2, "b", 3, "c"]
