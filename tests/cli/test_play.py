"""`bulkhead play` as a person and a script use it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.play import command
from gateway.errors import Misconfigured
from gateway.stories import play
from tests.scenarios.test_scenarios import warm
from tests.stories.examples import small, written


@pytest.fixture(autouse=True)
def begun_by_the_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a story runs; tests/stories/test_play.py begins it as a shell would."""
    monkeypatch.setattr(play, "play", partial(play.play, programs=warm()))


def test_a_story_is_told_and_what_it_proves_stands_at_the_end(tmp_path: Path) -> None:
    tree = small()
    tree["steps"][1]["proves"] = "What no rule names is refused."
    result = CliRunner().invoke(command, [str(written(tmp_path / "clock", tree))])
    assert result.exit_code == 0, result.output
    told = result.stdout
    assert "ALLOWED  by P010: data, read  policies/policy.csv:1" in told
    assert "REFUSED  no_rule" in told
    assert "heard    Not available: time__get_current_time (-32602)" in told
    assert "The world after\n    exactly as before" in told
    assert told.endswith("What was proven\n    yes  What no rule names is refused.\n")
    assert all(line == line.rstrip() for line in told.splitlines())
    assert str(tmp_path) not in told


def test_a_story_that_goes_wrong_says_so_and_exits_with_one(tmp_path: Path) -> None:
    tree = small()
    tree["steps"][1] |= {"expect": {"allowed": "P010"}, "proves": "All is allowed."}
    result = CliRunner().invoke(command, [str(written(tmp_path / "clock", tree))])
    assert result.exit_code == 1
    assert "WRONG    refused: no_rule" in result.stdout
    assert "no   All is allowed." in result.stdout
    assert "1 of it did not go as told" in result.stdout


def test_json_tells_the_same_to_programs(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["--json", str(written(tmp_path / "clock", small()))])
    told = json.loads(result.stdout)
    assert (told["story"], told["proven"], told["changed"]) == ("clock", True, [])
    first, second = told["steps"]
    assert first["recorded"][0]["rule"] == "P010"
    assert first["recorded"][0]["where"] == "policies/policy.csv:1"
    assert second["recorded"][0]["outcome"]["reason"] == "no_rule"


def test_an_unknown_story_is_one_clear_error() -> None:
    with pytest.raises(Misconfigured, match="no story 'nowhere'"):
        CliRunner().invoke(command, ["nowhere"], catch_exceptions=False)
