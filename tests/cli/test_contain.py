"""What `bulkhead contain` tells, where nothing had been done yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.home import Home, everybody, one_tier


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.make(
        tmp_path / "home",
        {"store": {"command": ["/bin/false"]}},
        policy=everybody([("data", "store")]),
        tiers=one_tier("store"),
    )
    home.must("task", "begin", "t", "--as", "o")
    return home


@pytest.mark.parametrize(
    ("how", "member", "is_"),
    [("--plan", "scope", {"tasks": ["t"]}), ("--yes", "summary", "complete")],
)
def test_as_json_it_is_one_document_with_the_undo_in_it(
    home: Home, how: str, member: str, is_: object
) -> None:
    ran = home.run("contain", "--task", "t", how, "--json", "--as", "ada")
    told = json.loads(ran.stdout)
    assert ran.returncode == 0, ran.stderr
    assert told["fences"] == [{"scope": "task", "value": "t"}]
    assert told["undo"][member] == is_


@pytest.mark.parametrize("scope", [("--task", "t", "--no-undo"), ("--tier", "data", "--yes")])
def test_where_nothing_is_undone_the_document_says_so(home: Home, scope: tuple[str, ...]) -> None:
    told = json.loads(home.must("contain", *scope, "--json", "--as", "ada"))
    assert told["undo"] is None
    assert len(told["fences"]) == 1
