"""The page of performance says of a goal what the figures say, and of a peer that did not run that it did not."""

from __future__ import annotations

from typing import Any

from benchmarks.goals import Goal, goals
from benchmarks.page import PEERS, table


def test_a_goal_is_met_at_its_limit_and_not_beyond() -> None:
    assert [Goal("", 2, figure).met for figure in (1.9, 2, 2.1)] == [True, True, False]
    assert [Goal("", 2, figure, at_least=True).met for figure in (1.9, 2)] == [False, True]


def test_what_was_not_run_is_no_goal_that_was_met() -> None:
    ours: dict[str, Any] = {"scenario": "small call", "way": "gateway", "connections": 64}
    ours |= {"cpu_us": 50.0, "calls_per_second": 9_000.0}
    theirs = {**ours, "way": "mcp-proxy (npm)", "cpu_us": 500.0}
    lost = {"way": "FastMCP proxy", "failed": "no such package"}
    found = goals({"peers": {"rows": [ours, theirs, lost]}})
    assert [(goal.says, goal.measured) for goal in found] == [
        ("CPU at 64, of mcp-proxy (npm)", 0.1)
    ]


def test_a_peer_that_could_not_be_measured_is_a_row_that_says_so() -> None:
    lines = list(table([{"way": "FastMCP proxy", "failed": "no such package"}], PEERS))
    assert "| FastMCP proxy | could not be measured: no such package |" in lines[2]
