"""Labels of what was read: whose they are, and that they go where what was read can go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway.core.flow import LABELS, Passage
from gateway.core.model import Label
from gateway.errors import Refused
from gateway.journals import labels

ANOTHERS, OWN = "local/A", "local/X"
NOTHING = frozenset[Label]()
SENDS, READS = Passage(OWN, NOTHING, "lax"), Passage(OWN, LABELS, None)


@pytest.fixture
def store() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE label (root TEXT, label TEXT, PRIMARY KEY (root, label))")
        yield connection


def test_what_was_read_closes_the_way_out_of_its_task(store: sqlite3.Connection) -> None:
    labels.take(store, [SENDS, READS])
    with pytest.raises(Refused, match="private and untrusted"):
        labels.take(store, [SENDS])


def test_what_a_task_read_comes_along_to_anothers(store: sqlite3.Connection) -> None:
    labels.take(store, [READS, Passage(ANOTHERS, NOTHING, None, OWN)])
    assert labels.raised(store, ANOTHERS) == LABELS


def test_what_was_read_under_a_grant_for_another_task_stays_with_ones_own(
    store: sqlite3.Connection,
) -> None:
    """A token can name a grant and be for a task that has none: the next one of that task may send by its role."""
    labels.take(store, [Passage(ANOTHERS, LABELS, None, OWN)])
    with pytest.raises(Refused, match="private and untrusted"):
        labels.take(store, [SENDS])
    assert labels.raised(store, ANOTHERS) == LABELS
