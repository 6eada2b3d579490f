"""What `bulkhead policy suggest` gives, put live: a story goes on as it went, and every attack in it is refused.

A story is played, the least for each of its agents is mined from the journal of that play, and the story is
played again under what came of it.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

import anyio
import pytest
from hypothesis import settings

from gateway.cli.policy_suggest import told
from gateway.config.starter import STARTER
from gateway.core.record import State
from gateway.core.written import Unseal
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteReader
from gateway.policy import load, suggest_into
from gateway.policy.recalling import Recalling
from gateway.policy.suggest import Suggestion, suggest
from gateway.ports import EventRow
from gateway.settings import ServerSettings
from gateway.stories import story
from gateway.stories.play import Listener, Observed, Played, play
from gateway.stories.stage import Stage
from gateway.stories.story import Story
from gateway.stories.world import Look
from gateway.values import replace
from tests.scenarios.test_scenarios import BOUND, SCENARIOS, STORIES, warm

TOLD: Final = STORIES if settings.get_current_profile_name() == "campaign" else ["climb"]
"""Two plays each: one story always, all of them in the campaign."""


class Listening(Listener):
    """Keeps what the journal of a play held at its last step."""

    lines: tuple[EventRow, ...] = ()
    unseal: Unseal | None = None

    @property
    def calls(self) -> Recalling:
        """All of them, opened already."""
        return Recalling([self.lines], lambda some: some, self.unseal)

    def begins(self, story: Story, root: Path, before: Look) -> None:
        self.state = root / ".bulkhead"

    def step(self, number: int, observed: Observed) -> None:
        reader = SqliteReader(self.state / "journal.db")
        self.lines = tuple(reader.opened(reader.events(0, 100_000)))
        self.unseal = Protector.open(self.state).unseal
        reader.close()


def narrowed(told_by: Listening, first: Story, home: Path) -> tuple[Story, list[Suggestion]]:
    """The same story under the least for each of its agents, one after the other; and what was suggested."""
    stage = Stage.build(first, str(home / "stage"))
    servers, directory = stage.settings.servers, stage.settings.policy_dir
    found = []
    for number, agent in enumerate(first.script.agents):
        policy = load(directory, servers)
        suggestion = suggest(policy, f"agent:{agent}", told_by.calls)
        found.append(suggestion)
        directory = _put(policy.directory, suggestion, home / f"{number}", servers)
    second = home / first.name
    shutil.copytree(first.directory, second)
    if first.script.policies is None:
        shutil.copytree(STARTER, second / "policies")
    for name in ("policy.csv", "tests.yaml"):
        if (directory / name).exists():
            shutil.copyfile(directory / name, second / "policies" / name)
    script = first.script.model_copy(update={"policies": "policies"})
    return replace(first, directory=second.resolve(), script=script), found


def _put(of: Path, suggestion: Suggestion, into: Path, servers: dict[str, ServerSettings]) -> Path:
    policy = load(of, servers)
    text = "".join(f"{line}\n" for line in told(suggestion, policy.version))
    suggest_into.write(policy, suggestion, text, into, servers)
    return into


def wrong(played: Played) -> list[str]:
    """Steps that were allowed and are not, or were not and are."""
    return [
        each.step.says
        for each in played.observed
        if each.step.expect and _is(each) != each.step.expect.form and each.step.action == "call"
    ]


def _is(each: Observed) -> str:
    calls = [one.row for one in each.recorded if one.row.record.agent]
    if any(row.state is not State.REFUSED for row in calls):
        return "allowed"
    form = each.step.expect.form if each.step.expect else None
    return "http" if form == "http" else "refused"


def played(one: Story, listener: Listener | None = None) -> Played:
    """In a loop of its own, as two gateways would be."""

    async def bounded() -> Played:
        with anyio.fail_after(BOUND):
            return await play(one, listener, warm())

    return asyncio.run(bounded())


@pytest.mark.parametrize("name", TOLD)
def test_the_least_lets_a_story_go_on_and_refuses_every_attack_in_it(
    name: str, tmp_path: Path
) -> None:
    first, told_by = story.read(SCENARIOS / name), Listening()
    as_it_was = played(first, told_by)
    assert wrong(as_it_was) == []
    second, found = narrowed(told_by, first, tmp_path)
    assert any(suggestion.rules for suggestion in found)
    assert not any(suggestion.left for suggestion in found)
    again = played(second)
    assert wrong(again) == []
    assert again.problems == ()
