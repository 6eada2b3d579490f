"""Every story under scenarios/ is played as `bulkhead play` plays it, and keeps to the shape of a story."""

from __future__ import annotations

import ast
from pathlib import Path

import anyio
import pytest

import gateway
from gateway import settings
from gateway.policy import load
from gateway.stories import story
from gateway.stories.play import play
from gateway.stories.stage import Programs, Stage
from tests.system import starter

SCENARIOS = Path(gateway.__file__).resolve().parents[1] / "scenarios"
STORIES = story.every(SCENARIOS)
BOUND = 240
"""Seconds: a hang is a failure, a slow machine is not."""


def warm() -> Programs:
    """What a story runs is begun by the starter; tests/stories/test_play.py and the demo begin it as a shell would."""
    return Programs(starter.programs(), Path(starter.python()))


def read(name: str) -> story.Story:
    return story.read(SCENARIOS / name)


def test_the_three_stories_of_the_house_are_there() -> None:
    assert {"analyst", "climb", "rug-pull"} <= set(STORIES)


def test_no_directory_is_a_story_by_half() -> None:
    directories = {path.name for path in SCENARIOS.iterdir() if path.is_dir()}
    assert directories - {"__pycache__"} == set(STORIES)


@pytest.mark.parametrize("name", STORIES)
async def test_it_goes_as_told(name: str) -> None:
    with anyio.fail_after(BOUND):
        played = await play(read(name), programs=warm())
    wrong = {each.step.says: each.problems for each in played.observed if each.problems}
    assert wrong == {}
    assert played.problems == ()
    assert len(played.observed) == len(played.story.script.steps)


@pytest.mark.parametrize("name", STORIES)
def test_it_proves_something_and_looks_at_the_world(name: str) -> None:
    script = read(name).script
    assert any(step.proves for step in script.steps)
    assert all(step.says.endswith((".", "!", "?")) for step in script.steps)
    assert script.after


@pytest.mark.parametrize("name", STORIES)
def test_something_is_allowed_and_something_refused(name: str) -> None:
    forms = {step.expect.form for step in read(name).script.steps if step.expect}
    assert {"allowed", "refused"} <= forms


@pytest.mark.parametrize("name", STORIES)
def test_its_page_names_its_command_and_its_title(name: str) -> None:
    page = (SCENARIOS / name / "README.md").read_text()
    assert f"bulkhead play {name}" in page
    assert page.startswith(f"# {read(name).script.title}\n")
    assert f"({name}/README.md)" in (SCENARIOS / "README.md").read_text()


@pytest.mark.parametrize("name", STORIES)
def test_every_rule_it_expects_is_in_its_policy(name: str, tmp_path: Path) -> None:
    stage = Stage.build(read(name), str(tmp_path))
    policy = load(stage.settings.policy_dir, stage.settings.servers)
    expected = [step.expect for step in read(name).script.steps if step.expect]
    rules = {rule for each in expected for rule in (each.allowed, each.rule) if rule}
    assert rules <= {rule.id for rule in policy.book.rules}
    assert settings.load(stage.config) == stage.settings


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*/servers.py")), ids=str)
def test_its_tool_server_is_plain(path: Path) -> None:
    """A tool server of a story stands alone: it cannot know the gateway that stands before it."""
    imported = [
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    assert "gateway" not in imported
    assert len(path.read_text().splitlines()) <= 100
