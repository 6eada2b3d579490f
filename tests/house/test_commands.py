"""What the pages tell a reader to type can be typed: commands, their options, make targets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from gateway.cli import COMMANDS, root
from tests.house.source import GATEWAY, ROOT, committed, short

PAGES: Final = [path for path in committed() if path.suffix == ".md"]
MAKEFILE: Final = (ROOT / "Makefile").read_text()


def typed(path: Path) -> Iterator[str]:
    """Every `bulkhead ...` command line of a page: in console blocks and in running text."""
    text = path.read_text()
    for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        joined = block.replace("\\\n", " ")
        yield from re.findall(r"(?:\$ |\$\(|&& )(bulkhead [^$()|&;#\n]+)", joined)
    for span in re.findall(r"`(bulkhead [^`\n]+)`", text):
        yield from re.split(r"[|&]", span)[:1]


def reached(line: str) -> tuple[click.Command, list[str]]:
    """The command a line calls, and the words left for it."""
    command: click.Command = root
    words = line.split()[1:]
    while words and isinstance(command, click.Group):
        context = click.Context(command)
        found = command.get_command(context, words[0])
        if found is None:
            break
        command, words = found, words[1:]
    return command, words


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_every_command_line_in_a_page_is_one_that_exists(path: Path) -> None:
    wrong = [line for line in typed(path) if not _exists(line)]
    assert wrong == []


def _exists(line: str) -> bool:
    words = line.split()
    if words[1].startswith("-"):
        return words[1] in {"--help", "--version"}
    if words[1] not in COMMANDS or not _file(words[1]).exists():
        return False
    command, rest = reached(line)
    if isinstance(command, click.Group) and rest and rest[0] not in {"--help", "..."}:
        return False
    known = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
    return {word.partition("=")[0] for word in rest if word.startswith("-")} <= known | {"--help"}


def test_every_command_of_the_table_is_a_file() -> None:
    assert [name for name in COMMANDS if not _file(name).exists()] == []


def _file(name: str) -> Path:
    return GATEWAY / "cli" / f"{name.replace('-', '_')}.py"


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_every_make_target_in_a_page_is_in_the_makefile(path: Path) -> None:
    named = set(re.findall(r"(?:`|\$ )make ([a-z]+)", path.read_text()))
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    assert named <= targets


def test_every_target_says_what_it_is_for() -> None:
    lines = re.findall(r"^([a-z]+):(.*)$", MAKEFILE, re.MULTILINE)
    assert lines
    assert [target for target, rest in lines if "## " not in rest] == []


def test_what_must_pass_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
