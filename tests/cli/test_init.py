"""`bulkhead init` as somebody with an empty directory uses it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import root
from gateway.errors import Misconfigured
from tests.house.source import ROOT


def bulkhead(*words: str | Path) -> Result:
    return CliRunner().invoke(root, [str(word) for word in words])


def files(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


@pytest.mark.parametrize("kind", [(), ("--starter",)], ids=["empty", "starter"])
def test_what_it_makes_is_a_sound_policy_that_passes_its_own_cases(
    tmp_path: Path, kind: tuple[str, ...]
) -> None:
    home = tmp_path / "new" / "home"
    assert bulkhead("init", home, *kind).exit_code == 0
    for command in ("check", "test"):
        done = bulkhead("policy", command, "--config", home / "bulkhead.yaml")
        assert done.exit_code == 0, done.output


def test_without_the_starter_nothing_is_allowed_and_no_server_is_named(tmp_path: Path) -> None:
    bulkhead("init", tmp_path)
    said = bulkhead("policy", "check", "--config", tmp_path / "bulkhead.yaml").output
    assert said.startswith("0 rules, 0 errors")
    listed = bulkhead("servers", "list", "--json", "--config", tmp_path / "bulkhead.yaml")
    assert json.loads(listed.output) == []


def test_the_starter_is_the_policy_of_this_repository(tmp_path: Path) -> None:
    bulkhead("init", tmp_path, "--starter")
    assert files(tmp_path / "policies") == files(ROOT / "policies")


def test_the_examples_in_its_comments_are_a_sound_policy_once_they_are_none(tmp_path: Path) -> None:
    bulkhead("init", tmp_path)
    for file in (path for path in tmp_path.rglob("*") if path.suffix in {".yaml", ".csv"}):
        examples = re.sub(r"^#(?=  |[pg],)", "", file.read_text(), flags=re.MULTILINE)
        file.write_text(re.sub(r": (\{\}|\[\])  # with .*$", ":", examples, flags=re.MULTILINE))
    done = bulkhead("policy", "test", "--config", tmp_path / "bulkhead.yaml")
    assert done.exit_code == 0, done.output
    assert "1 cases, 0 failed, 0 rules unreached" in done.output


@pytest.mark.parametrize("there", ["bulkhead.yaml", "policies/tiers.yaml"])
def test_nothing_that_is_there_is_changed_and_nothing_is_put_beside_it(
    tmp_path: Path, there: str
) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")
    refused = bulkhead("init", tmp_path)
    assert isinstance(refused.exception, Misconfigured)
    assert there in str(refused.exception)
    assert files(tmp_path) == {there: b"mine"}


def test_what_it_makes_is_nobody_else_s_to_write(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        bulkhead("init", tmp_path / "home")
    finally:
        os.umask(before)
    made = [tmp_path / "home", *(tmp_path / "home").rglob("*")]
    assert not any(stat.S_IMODE(path.stat().st_mode) & 0o022 for path in made)


def test_a_program_hears_what_was_made(tmp_path: Path) -> None:
    made = json.loads(bulkhead("init", tmp_path, "--json").output)
    assert set(made["made"]) == set(files(tmp_path))


def test_a_wheel_has_the_starter_policy_with_it(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as inside:
        held = {
            name.removeprefix("gateway/starter/"): inside.read(name)
            for name in inside.namelist()
            if name.startswith("gateway/starter/")
        }
    assert held == files(ROOT / "policies")
