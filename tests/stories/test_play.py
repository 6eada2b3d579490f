"""A play is honest: what does not go as told is seen, whoever is at fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.errors import Misconfigured
from gateway.stories import story
from gateway.stories.play import Listener, Observed, Played, play
from gateway.stories.world import Look
from tests.stories.examples import small, written

BOUND = 120
"""Seconds: a hang is a failure, a slow machine is not."""


class Remembering(Listener):
    def __init__(self) -> None:
        self.steps: list[int] = []

    def begins(self, story: story.Story, root: Path, before: Look) -> None:
        self.root = root

    def step(self, number: int, observed: Observed) -> None:
        self.steps.append(number)


async def played(tmp_path: Path, tree: dict[str, Any], listener: Listener | None = None) -> Played:
    with anyio.fail_after(BOUND):
        return await play(story.read(written(tmp_path / "clock", tree)), listener)


async def test_a_story_that_goes_as_told_is_proven_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    listener = Remembering()
    result = await played(tmp_path, small(), listener)
    assert [each.problems for each in result.observed] == [(), ()]
    assert result.proven
    assert result.changed == []
    assert listener.steps == [1, 2]
    assert not listener.root.exists()
    allowed, refused = (each.recorded[0] for each in result.observed)
    assert allowed.row.record.where == "policies/policy.csv:1"
    assert allowed.line.startswith("p, P010, data, time, convert_time")
    assert refused.row.outcome["reason"] == "no_rule"


async def test_a_caller_who_is_turned_away_has_the_reason_at_this_step_and_not_at_the_next(
    tmp_path: Path,
) -> None:
    tree = small()
    tree["steps"][1] |= {"trick": {"no_token": True}, "expect": {"http": 401}}
    tree["steps"] += [
        tree["steps"][1] | {"trick": {"token_for": "/data/mcp"}},
        tree["steps"][0],
    ]
    result = await played(tmp_path, tree)
    assert result.proven
    reasons = [
        [line.row.outcome["reason"] for line in each.recorded] for each in result.observed[1:3]
    ]
    assert reasons == [["no_token"], ["wrong_audience"]]
    assert [line.row.record.rule for line in result.observed[3].recorded] == ["P010"]


async def test_every_wrong_expectation_is_seen(tmp_path: Path) -> None:
    tree = small()
    tree["steps"][0]["expect"] = {"refused": "no_rule"}
    tree["steps"][1]["expect"] = {"allowed": "P010"}
    tree["steps"][1]["world"] = [{"file": "note.txt", "gone": True}]
    tree["after"] = [{"file": "note.txt", "is": "otherwise"}]
    result = await played(tmp_path, tree)
    first, second = (each.problems for each in result.observed)
    assert "it was allowed by P010" in first[0]
    assert "refused: no_rule" in second[0]
    assert "note.txt is still there" in second[1]
    assert "'as it was" in result.problems[0]
    assert not result.proven


async def test_a_broken_policy_is_one_error_with_its_line(tmp_path: Path) -> None:
    directory = written(tmp_path / "clock", small())
    (directory / "policies" / "policy.csv").write_text("pp, P010\n")
    with anyio.fail_after(BOUND), pytest.raises(Misconfigured, match=r"policy\.csv"):
        await play(story.read(directory))
