"""What gets installed is what was chosen: every package by version and hash, and no word on where from."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from tests.house.source import ROOT

LOCKS: Final = sorted(
    [*ROOT.glob("requirements*.lock"), *ROOT.glob("benchmarks/peers/python/*.lock")]
)
PIN: Final = re.compile(
    r"([a-z0-9-]+)==([^ ;\\]+)(?: ; [^\\]+)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n"
)


def pins(lock: Path) -> dict[str, str]:
    return {name: version for name, version, _ in PIN.findall(lock.read_text())}


def wanted(group: str | None = None) -> set[str]:
    """Names of the packages pyproject.toml asks for: of the gateway itself, or of one group."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: set[str] = set()
    asked = project["dependency-groups"][group] if group else project["project"]["dependencies"]
    for entry in asked:
        if isinstance(entry, dict):
            found |= wanted(entry["include-group"])
        else:
            name = re.split(r"[^A-Za-z0-9._-]", entry)[0]
            found.add(re.sub(r"[-_.]+", "-", name).lower())
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_line_of_a_lock_is_a_version_with_its_hashes(lock: Path) -> None:
    rest = PIN.sub("", lock.read_text())
    assert [line for line in rest.splitlines() if not line.startswith("#")] == []
    assert pins(lock)


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("requirements.lock", ["build"]),
        ("requirements-demo.lock", ["build", "demo"]),
        ("requirements-test.lock", ["build", "demo", "test", "lint"]),
        ("requirements-bench.lock", ["build", "demo", "test", "lint", "bench"]),
    ],
)
def test_a_lock_holds_all_that_the_project_asks_for(lock: str, groups: list[str]) -> None:
    assert wanted().union(*map(wanted, groups)) <= pins(ROOT / lock).keys()


def test_the_locks_agree() -> None:
    smallest, small, large, largest = (
        pins(ROOT / f"requirements{kind}.lock").items() for kind in ("", "-demo", "-test", "-bench")
    )
    assert smallest <= small <= large <= largest


@pytest.mark.parametrize(
    "folder", ["tests/node", "tests/conformance/node", "benchmarks/peers/node"]
)
def test_npm_packages_are_pinned_by_hash_and_not_by_address(folder: str) -> None:
    lock: dict[str, Any] = json.loads((ROOT / folder / "package-lock.json").read_text())
    packages = [entry for path, entry in lock["packages"].items() if path]
    assert packages
    assert all(entry["integrity"].startswith("sha512-") for entry in packages)
    assert not any("resolved" in entry for entry in packages)
