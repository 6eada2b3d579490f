"""A salt is handed out once, in any process."""

from __future__ import annotations

import os
import warnings

from gateway.journals.salts import SALT_BYTES, fresh


def test_no_salt_comes_twice() -> None:
    salts = [fresh() for _ in range(1_000)]
    assert len(set(salts)) == 1_000
    assert {len(salt) for salt in salts} == {SALT_BYTES}


def test_a_forked_process_hands_out_none_of_its_parents() -> None:
    fresh()
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Python warns of a fork among threads; this child runs none of their code.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.write(write, b"".join(fresh() for _ in range(10)))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        raw = said.read()
    os.waitpid(child, 0)
    theirs = {raw[at : at + SALT_BYTES] for at in range(0, len(raw), SALT_BYTES)}
    assert len(theirs) == 10
    assert theirs.isdisjoint(fresh() for _ in range(200))
