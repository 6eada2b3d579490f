"""A rollback has processes of its own, and so has a certification, until something has come back through them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.certify.run import Scratch, certify
from gateway.certify.trial import Tally, Wrong
from tests.certify.test_out_of_turn import THERE, Ground
from tests.undo.rig import Store, packs


def tried(store: Store, world: Path, *others: Store) -> Tally:
    """`others`: what the processes come to that are started to take calls back."""
    waiting = iter(others)
    scratch = Scratch("store", packs(world), {"store": store}, lambda: {"store": next(waiting)})
    return asyncio.run(certify(scratch, Ground(store), world, runs=6, seed=3))


def test_a_server_that_keeps_its_world_to_itself_is_not_certified(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="needs a companion that is served from within it"):
        tried(Store(), tmp_path, Store(dict(THERE)))


def test_a_world_that_another_process_comes_to_is_certified_by_one(tmp_path: Path) -> None:
    class Other(Store):
        undone = 0

        async def aclose(self) -> None:
            self.undone = len(self.got)

    store = Store()
    other = Other(got=[])
    other.records = store.records

    class Shared(Ground):
        def begin(self, world: Path, run: int, rng: object) -> None:
            store.records.clear()
            store.records.update(THERE)

    scratch = Scratch("store", packs(tmp_path), {"store": store}, lambda: {"store": other})
    tally = asyncio.run(certify(scratch, Shared(store), tmp_path, runs=6, seed=3))
    assert tally.restored == tally.calls > other.undone > 0
    assert len(other.got) == other.undone
