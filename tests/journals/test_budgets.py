"""A line says what was left before and after its call: in a row, whatever was committed together."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.core.grant import Spend
from gateway.core.purse import Left
from gateway.journals import budgets
from gateway.journals.entry import Entry
from gateway.journals.sqlite import SqliteReader
from tests.grants.given import NOON, grant
from tests.journals.calls import intent
from tests.journals.test_ledger import purse


async def test_each_call_begins_with_what_the_one_before_it_left(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    root = grant("root", uses=100, writes=7)
    async with purse(path, root, grant("child", root, bytes=1000)) as one:
        said = await asyncio.gather(
            *(one.spend("child", "root", writes=n % 2, size=n) for n in range(16))
        )
    lines = [json.loads(row.body) for row in SqliteReader(path).events(0, 100)]
    budget = [line["budget"] for line in lines if "budget" in line]
    child, above = [one[0] for one in budget], [one[1] for one in budget]
    refused = [why for why in said if why]
    assert len(refused) == 1, "the eighth write is one too many"
    assert len(budget) == 15
    assert {one["grant"] for one in child} == {"child"}
    for told in (child, above):
        for earlier, later in pairwise(told):
            assert later["before"] == earlier["after"]
    assert above[0]["before"] == {"uses": 100, "writes": 7}
    assert above[-1]["after"] == {"uses": 85, "writes": 0}
    assert child[0]["before"] == {"bytes": 1000}


def test_a_call_that_spends_nothing_says_nothing() -> None:
    free = Entry(intent("call-1"), '{"v":2}')
    assert budgets.written([free], []) == [('{"v":2}', "")]


def spending(*spends: Spend) -> Entry:
    line = intent("call-1")
    return Entry(type(line)(line.call_id, line.kind, line.at, {}, line.record, spends), "{}")


def test_a_grant_without_limits_is_not_told_of_and_its_spend_is_kept() -> None:
    assert budgets.form("a", (None, None, None)) == ""
    entry = spending(Spend(("a",), 1, 9, NOON))
    assert budgets.written([entry], [("", "1 9 5 7")]) == [("{}", "1 9 5 7")]


def test_each_spend_goes_to_its_own_line_and_two_of_one_line_are_both_kept() -> None:
    one = Spend(("a",), 1, 9, NOON)
    entries = [spending(one), spending(), spending(one, one)]
    bills = [('{"n":1}', "1 1 1 1"), ('{"n":2}', "2 2 2 2"), ('{"n":3}', "3 3 3 3 4")]
    said = budgets.written(entries, bills)
    assert [body for body, _ in said] == [
        '{,"budget":[{"n":1}]}',
        "{}",
        '{,"budget":[{"n":2},{"n":3}]}',
    ]
    kept = [spent for _, spent in said]
    assert kept == ["1 1 1 1", "", "2 2 2 2;3 3 3 3 4"]
    assert [*budgets.read(kept[2])] == [(2, 2, 2, 2), (3, 3, 3, 3, 4)]


@pytest.mark.parametrize(
    ("left", "told"),
    [
        ((5, None, None), '{"grant":"50%","before":{"uses":5},"after":{"uses":4}}'),
        ((None, 5, None), '{"grant":"50%","before":{"writes":5},"after":{"writes":4}}'),
        (
            (5, None, 5),
            '{"grant":"50%","before":{"uses":5,"bytes":5},"after":{"uses":4,"bytes":4}}',
        ),
    ],
)
def test_only_what_is_limited_is_told(left: Left, told: str) -> None:
    after = tuple(None if has is None else has - 1 for has in left)
    assert budgets.form("50%", left) % (*left, *after) == told


def test_purses_of_one_root_lie_side_by_side_and_each_at_a_place_of_its_own() -> None:
    trees = [[f"r{root}", *(f"r{root}-{n}" for n in range(99))] for root in range(20)]
    found = [[budgets.place(tree[0], grant) for grant in tree] for tree in trees]
    apart = sorted((min(some), max(some)) for some in found)
    assert len({place for some in found for place in some}) == 2_000
    assert all(0 <= place < 2**63 for some in found for place in some)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(apart))
    assert budgets.places(("c", "b", "a")) == [budgets.place("a", one) for one in "cba"]
