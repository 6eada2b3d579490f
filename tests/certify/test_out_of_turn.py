"""What a pack leaves out shows when calls are taken back in another order, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from gateway.certify.run import Scratch, certify
from gateway.certify.trial import Tally, Wrong
from gateway.core.model import JsonObject, Outcome
from gateway.core.record import Permit
from gateway.ports import Outbound
from gateway.settings import ServerSettings
from tests.undo.listed import Listed
from tests.undo.rig import Store, packs

THERE = dict.fromkeys("abc", "1")


class Ground:
    """A record comes, or the first one goes."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def scratch(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        return settings

    def begin(self, world: Path, run: int, rng: Random) -> None:
        self.store.records = dict(THERE)

    def call(self, world: Path, run: int, rng: Random) -> tuple[str, JsonObject]:
        first = next(iter(self.store.records), "")
        if first and rng.random() < 0.5:
            return "drop", {"key": first}
        new = next(key for key in "abcdefghijklmn" if key not in self.store.records)
        return "put", {"key": new, "value": "2"}

    def see(self, world: Path, run: int) -> Mapping[str, str]:
        records = self.store.records
        return {"all": str(records if isinstance(self.store, Listed) else sorted(records.items()))}


def tried(store: Store, world: Path, runs: int = 40) -> Tally:
    scratch = Scratch("store", packs(world), {"store": store})
    return asyncio.run(certify(scratch, Ground(store), world, runs=runs, seed=3))


def test_what_comes_back_in_any_order_is_proven_by_pairs_of_tools(tmp_path: Path) -> None:
    tally = tried(Store(), tmp_path)
    assert tally.only_in_turn == ""
    assert {tool: set(later) for tool, later in tally.proven.items()} == {
        "put": {"put", "drop"},
        "drop": {"put", "drop"},
    }
    assert tally.restored == tally.calls > 0


def test_a_pack_that_is_right_only_the_latest_first_is_certified_for_that_alone(
    tmp_path: Path,
) -> None:
    tally = tried(Listed(), tmp_path)
    assert "out of turn: 'all' is not as before" in tally.only_in_turn
    assert tally.proven == {}
    assert tally.restored == tally.calls > 0


def test_writes_to_one_resource_are_never_tried_out_of_turn(tmp_path: Path) -> None:
    class One(Ground):
        def call(self, world: Path, run: int, rng: Random) -> tuple[str, JsonObject]:
            return "put", {"key": "a", "value": str(rng.random())}

    store = Store()
    scratch = Scratch("store", packs(tmp_path), {"store": store})
    tally = asyncio.run(certify(scratch, One(store), tmp_path, runs=10, seed=3))
    assert (tally.only_in_turn, tally.proven) == ("", {})
    assert tally.restored == tally.calls > 0


class Forgetful(Store):
    """With each record that goes, another goes."""

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        outcome = await super().call(permit, message, channel)
        if message.params["name"] == "drop":
            self.records.pop("c", None)
        return outcome


def test_what_is_wrong_in_both_orders_is_not_certified(tmp_path: Path) -> None:
    with pytest.raises(Wrong):
        tried(Forgetful(), tmp_path)
