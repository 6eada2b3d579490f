"""story.yaml is read strictly: what it could mean in two ways, or not at all, is an error at its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import Endpoint, Tier
from gateway.errors import Misconfigured
from gateway.stories import story
from gateway.stories.story import Expected
from tests.stories.examples import small, written

Change = Callable[[dict[str, Any]], None]


def refusal(tmp_path: Path, change: Change) -> Misconfigured:
    tree = small()
    change(tree)
    with pytest.raises(Misconfigured) as caught:
        story.read(written(tmp_path / "clock", tree))
    return caught.value


def step(**changes: Any) -> Change:
    """The second step with some members replaced; `...` drops one."""

    def change(tree: dict[str, Any]) -> None:
        merged = tree["steps"][1] | changes
        tree["steps"][1] = {name: value for name, value in merged.items() if value is not ...}

    return change


def claim(**said: Any) -> Change:
    return lambda tree: tree.update(after=[said])


def test_a_story_is_known_by_its_directory(tmp_path: Path) -> None:
    read = story.read(written(tmp_path / "clock", small()))
    assert (read.name, read.script.title) == ("clock", "A clock")
    assert read.script.steps[1].endpoint == Endpoint("all")


WRONG: dict[str, tuple[Change, str]] = {
    "an unknown key": (lambda tree: tree.update(epilogue="x"), "epilogue: unknown key"),
    "an unknown key in a step": (step(agnet="reader"), "steps.1.agnet: unknown key"),
    "an unknown key in expect": (step(expect={"refussed": "no_rule"}), "unknown key"),
    "an unknown reason": (step(expect={"refused": "no_rulle"}), "steps.1.expect.refused"),
    "no steps": (lambda tree: tree.update(steps=[]), "steps"),
    "nothing claimed at the end": (lambda tree: tree.update(after=[]), "after"),
    "two actions": (step(list="tools"), "a step does one thing"),
    "no action": (step(call=...), "a step does one thing"),
    "a call by nobody": (step(agent=...), "agent and at belong"),
    "a call to nowhere": (step(at=...), "agent and at belong"),
    "an unknown agent": (step(agent="raeder"), "'raeder' is not among agents"),
    "an endpoint that is none": (step(at="/data"), "'/data' is no endpoint"),
    "an endpoint of no tier": (step(at="/root/mcp"), "is no endpoint"),
    "a trick with no endpoint": (step(trick={"token_for": "data"}), "'data' is no endpoint"),
    "a trick that does nothing": (step(trick={}), "a trick does something"),
    "no expectation": (step(expect=...), "expect of a call says"),
    "an empty expectation": (step(expect={}), "expect of a call says"),
    "two expectations": (step(expect={"allowed": "P010", "http": 401}), "expect of a call says"),
    "an exit of a call": (step(expect={"exit": 0}), "expect of a call says"),
    "arguments of a list": (
        step(call=..., list="tools", expect={"exactly": []}),
        "arguments and trick belong to call",
    ),
    "a call that is cut off": (step(cut_after=1), "only an operator's command can be cut off"),
    "a call asked again and again": (step(eventually=True), "only a list can be asked again"),
    "a claim about two things": (claim(file="a", has="b", database="c"), "about one of"),
    "a claim about nothing": (claim(has="b"), "about one of"),
    "a claim that says nothing": (claim(file="a"), "a claim about file says"),
    "a claim with another's word": (claim(file="a", head="b"), "a claim about file says"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    change, message = WRONG[name]
    error = refusal(tmp_path, change)
    assert message in error.message
    assert error.where is not None
    assert error.where.file.endswith("clock/story.yaml")


def test_the_line_is_the_steps_own(tmp_path: Path) -> None:
    error = refusal(tmp_path, step(at="/data"))
    lines = (tmp_path / "clock" / "story.yaml").read_text().splitlines()
    assert error.where is not None and error.where.line is not None
    assert "It asks for more." in lines[error.where.line - 1]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/mcp", Endpoint("all")),
        ("/admin/mcp", Endpoint("tier", Tier.ADMIN)),
        ("/servers/git-2/mcp", Endpoint("server", server="git-2")),
    ],
)
def test_an_endpoint_is_written_as_its_path(path: str, expected: Endpoint) -> None:
    assert story.endpoint(path) == expected
    assert expected.path == path


@pytest.mark.parametrize(
    "path", ["", "mcp", "/mcp/", "/servers//mcp", "/servers/Git/mcp", "/x/mcp"]
)
def test_no_other_path_is_an_endpoint(path: str) -> None:
    with pytest.raises(ValueError, match="no endpoint"):
        story.endpoint(path)


def test_an_empty_list_is_an_expectation_too() -> None:
    assert Expected(exactly=()).form == "list"


def test_a_story_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    written(tmp_path / "clock", small())
    assert story.find("clock", tmp_path) == tmp_path / "clock"
    assert story.find(str(tmp_path / "clock"), Path("nowhere")) == tmp_path / "clock"
    assert story.every(tmp_path) == ["clock"]


def test_a_story_read_from_where_one_stands_knows_its_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "clock", small())
    monkeypatch.chdir(tmp_path)
    assert story.read(Path("clock")).directory == tmp_path / "clock"


def test_a_misspelt_story_is_answered_with_the_ones_there_are(tmp_path: Path) -> None:
    written(tmp_path / "clock", small())
    with pytest.raises(Misconfigured, match="stories here: clock"):
        story.find("clcok", tmp_path)
