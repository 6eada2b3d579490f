"""Each is handed out once, and they are made many at a time."""

from __future__ import annotations

from itertools import count

from gateway.handed import Pool
from tests.forked import said_by_a_fork


def test_each_is_handed_out_once_and_more_are_made_when_there_are_none() -> None:
    numbers = count()
    pool = Pool(lambda: [next(numbers) for _ in range(3)])
    assert sorted(pool.take() for _ in range(6)) == [0, 1, 2, 3, 4, 5]
    assert pool.take() in (6, 7, 8)


def test_a_forked_process_starts_with_none_of_its_parents() -> None:
    made = count()
    pool = Pool(lambda: [next(made)] * 2)
    assert pool.take() == 0
    assert said_by_a_fork(lambda: str(pool.take()).encode()) == b"1"
    assert pool.take() == 0
