"""What a page shows in pieces is whole: a story that goes as told, rules the starter policy takes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import anyio

from gateway.policy import load
from gateway.stories import story
from gateway.stories.play import play
from tests.house.source import ROOT
from tests.scenarios.test_scenarios import BOUND, warm

TIERS = """servers:
  git:
    tools:
      git_status|git_log: {tier: data, effect: read}
      git_create_branch: {tier: tool, effect: write}
"""


def blocks(page: str, kind: str) -> str:
    """All of the page's blocks of a kind, but those that show the inside of one."""
    text = (ROOT / "docs" / "how-to" / page).read_text()
    return "".join(re.findall(rf"^```{kind}\n(?! )(.*?)^```", text, re.DOTALL | re.MULTILINE))


async def test_the_story_goes_as_told(tmp_path: Path) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (tmp_path / "story.yaml").write_text(blocks("write-a-story.md", "yaml"))
    (policies / "policy.csv").write_text(blocks("write-a-story.md", "csv"))
    (policies / "tiers.yaml").write_text(TIERS)
    with anyio.fail_after(BOUND):
        played = await play(story.read(tmp_path), programs=warm())
    assert (played.problems, [each.problems for each in played.observed]) == ((), [(), ()])


def test_the_rules_for_grants_can_be_added_to_the_starter_policy(tmp_path: Path) -> None:
    policies = Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))
    rules = blocks("give-an-agent-a-grant.md", "csv")
    with (policies / "policy.csv").open("a") as file:
        file.write(rules)
    (policies / "intents.yaml").write_text(blocks("give-an-agent-a-grant.md", "yaml"))
    book = load(policies, {}).book
    assert {"P050", "P150", "P410", "P420"} <= {rule.id for rule in book.rules}
