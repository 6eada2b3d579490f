"""A test is found where its source is, and names mean one thing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.house.source import GATEWAY, TESTS, python_files, short

BESIDE: Final = {"conformance", "faults", "house", "properties", "scenarios", "servers", "system"}
"""Folders of tests that belong to no single file."""

OF_THE_ROOM: Final = {"tests/policy/test_pitfalls.py"}
"""Tests that hold a whole room to something, by name."""

FORBIDDEN: Final = {"upstream", "downstream", "manager", "helper", "helpers", "utils"}
"""Words that mean two things or nothing. Say agent and tool server; name a thing for what it does."""

OTHERS: Final = re.compile(
    r"sqlite[-_]utils|_httpx_utils|[Cc]ontext ?[Mm]anager|[Rr]ole_?[Mm]anager"
)
"""Other people's names, which we cannot choose."""

MIRRORED: Final = [
    path
    for path in python_files(TESTS)
    if path.name.startswith("test_")
    and path.relative_to(TESTS).parts[0] not in BESIDE
    and short(path) not in OF_THE_ROOM
]


@pytest.mark.parametrize("path", MIRRORED, ids=short)
def test_every_test_file_has_its_source(path: Path) -> None:
    """`tests/policy/test_rules.py` tests gateway/policy/rules.py; `test_rules_reload.py` may split it."""
    folder = GATEWAY / path.relative_to(TESTS).parent
    assert folder.is_dir()
    name = path.stem.removeprefix("test_")
    sources = {source.stem for source in folder.glob("*.py")} | {folder.name}
    sources |= {child.name for child in folder.iterdir() if child.is_dir()}
    assert any(name == source or name.startswith(f"{source}_") for source in sources)


@pytest.mark.parametrize("path", python_files(GATEWAY), ids=short)
def test_forbidden_words_are_in_no_name_and_no_sentence(path: Path) -> None:
    text = OTHERS.sub("", f"{path.stem}\n{path.read_text()}")
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", text)}
    assert words & FORBIDDEN == set()
