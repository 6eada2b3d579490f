"""The stage: settings, policies and commands as an operator would have them."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.stories import story
from gateway.stories.stage import Stage, fill, fill_all, free_port
from tests.stories.examples import small, written


@pytest.fixture
def told(tmp_path: Path) -> story.Story:
    return story.read(written(tmp_path / "clock", small()))


def test_places_are_filled_in_and_other_braces_stay(told: story.Story, tmp_path: Path) -> None:
    assert fill("{world}/a {story} {other} {}", told, tmp_path) == (
        f"{tmp_path}/world/a {told.directory} {{other}} {{}}"
    )
    nested = fill_all({"a": ["{world}"], "b": 1}, told, tmp_path)
    assert nested == {"a": [f"{tmp_path}/world"], "b": 1}


def test_it_listens_on_loopback_with_the_storys_servers(told: story.Story, tmp_path: Path) -> None:
    stage = Stage.build(told, _made(tmp_path))
    assert stage.settings.host == "127.0.0.1"
    command = stage.settings.servers["time"].command
    assert command is not None and command[0].endswith("/mcp-server-time")
    assert "{" not in command[0]


def test_the_policies_are_the_storys_with_the_pinned_model(
    told: story.Story, tmp_path: Path
) -> None:
    stage = Stage.build(told, _made(tmp_path))
    names = {file.name for file in stage.settings.policy_dir.iterdir()}
    assert names == {"policy.csv", "tiers.yaml", "model.conf"}


def test_a_decisions_line_is_found_and_a_wrong_place_is_nothing(
    told: story.Story, tmp_path: Path
) -> None:
    stage = Stage.build(told, _made(tmp_path))
    assert stage.line_at("policies/policy.csv:1").startswith("p, P010")
    assert stage.line_at("") == ""
    assert stage.line_at("policies/nowhere.csv:1") == ""


def test_a_story_whose_policies_are_missing_is_refused_by_name(tmp_path: Path) -> None:
    tree = small() | {"policies": "elsewhere"}
    with pytest.raises(Misconfigured, match="elsewhere"):
        Stage.build(story.read(written(tmp_path / "clock", tree)), _made(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody keeps it")
def test_the_port_it_found_is_given_to_nobody_else_and_a_gateway_listens_there() -> None:
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)) as ours:
        assert ours.getsockname()[1] == port


async def test_an_operators_command_runs_as_a_command_of_its_own(
    told: story.Story, tmp_path: Path
) -> None:
    stage = Stage.build(told, _made(tmp_path))
    ran = await stage.operate(["servers", "approve", "nobody", "--all", "--yes"])
    assert ran.status == 2
    assert "no server 'nobody'" in ran.output


def _made(tmp_path: Path) -> str:
    directory = tmp_path / "stage"
    directory.mkdir()
    return str(directory)
