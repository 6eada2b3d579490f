"""The memory pack's footprints: what a call's look compares is what its keys say it shares with others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

import pytest

from tests.undo.real import Day, a_day
from tests.undo.scratch import World, a_world

ADA = {"name": "Ada", "entityType": "person", "observations": ["counts"]}
GRACE = {"name": "Grace", "entityType": "person", "observations": []}
TIE = {"from": "Ada", "to": "Grace", "relationType": "knows"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world("memory", tmp_path_factory.mktemp("memory").resolve()) as made:
        yield made


def empty(day: Day) -> None:
    (day.world.path / "graph.jsonl").write_text("")


def test_a_relation_that_goes_with_its_entity_is_the_other_ends_too(world: World) -> None:
    with a_day(world, Random(1)) as day:
        empty(day)
        day.call("create_entities", {"entities": [ADA]})
        day.call("create_relations", {"relations": [TIE]})
        day.call("create_entities", {"entities": [GRACE]})
        day.call("delete_entities", {"entityNames": ["Ada"]})
        verdicts = set(day.roll_back("refuse").values())
        now = day.look()
    assert (verdicts, now) == ({"restored"}, {})


def test_whether_an_entity_is_there_is_part_of_what_a_call_stands_on(world: World) -> None:
    with a_day(world, Random(1)) as day:
        empty(day)
        day.call("create_entities", {"entities": [ADA]})
        nothing = {"entityName": "Grace", "observations": []}
        some = {"entityName": "Ada", "observations": ["counts"]}
        day.call("delete_observations", {"deletions": [nothing, some]})
        day.call("create_entities", {"entities": [GRACE]})
        verdicts = set(day.roll_back("refuse").values())
        now = day.look()
    assert (verdicts, now) == ({"restored"}, {})


def test_of_two_observations_of_one_entity_either_is_taken_back_alone(world: World) -> None:
    with a_day(world, Random(1)) as day:
        empty(day)
        day.call("create_entities", {"entities": [GRACE]})
        for fact in ("counts", "sails"):
            added = {"entityName": "Grace", "contents": [fact]}
            day.call("add_observations", {"observations": [added]})
        verdicts = set(day.roll_back("refuse", calls=(day.calls[1].call_id,)).values())
        (now,) = day.look()
    assert (verdicts, json.loads(now)["observations"]) == ({"restored"}, ["sails"])
