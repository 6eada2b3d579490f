"""A salt is handed out once, in any process."""

from __future__ import annotations

from gateway.journals.salts import SALT_BYTES, fresh
from tests.forked import said_by_a_fork


def test_no_salt_comes_twice() -> None:
    salts = [fresh() for _ in range(1_000)]
    assert len(set(salts)) == 1_000
    assert {len(salt) for salt in salts} == {SALT_BYTES}


def test_a_forked_process_hands_out_none_of_its_parents() -> None:
    fresh()
    raw = said_by_a_fork(lambda: b"".join(fresh() for _ in range(10)))
    theirs = {raw[at : at + SALT_BYTES] for at in range(0, len(raw), SALT_BYTES)}
    assert len(theirs) == 10
    assert theirs.isdisjoint(fresh() for _ in range(200))
