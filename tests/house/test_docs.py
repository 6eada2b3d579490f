"""Docs that cannot lie: what exists is documented, what is linked is there, and nothing names a machine."""

from __future__ import annotations

import ast
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import BaseModel

from gateway.config.yamlfile import load
from gateway.reasons import UNTOLD, Reason
from gateway.settings import Settings
from gateway.undo.pack_model import PackFile
from tests.house import cli_page
from tests.house.source import GATEWAY, ROOT, committed, short, tree

REFERENCE: Final = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text()


@pytest.mark.parametrize("server", ["files", "memory", "git"])
def test_the_levels_and_guards_of_the_packs_that_ship_are_as_their_table_has_them(
    server: str,
) -> None:
    pack = load(ROOT / "policies" / "undo" / f"{server}.yaml", PackFile)
    has = {
        (name, case.level, case.guard or tool.guard.strength)
        for name, tool in pack.tools.items()
        for case in tool.cases
    }
    rows = [line.split(" | ") for line in page("reversibility.md").splitlines() if "|" in line]
    told, tool = set[tuple[str, str, str]](), ""
    for row in (row for row in rows if len(row) == 6):
        named = re.match(r"\| (\w+) `(\w+)`", row[0])
        tool = tool if named is None else named[2] if named[1] == server else ""
        if tool and row[4] != "-":
            told.add((tool, row[3], row[4]))
    assert {name for name, _, _ in told} == pack.tools.keys()
    assert told <= has


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_documented_with_what_the_agent_hears(reason: Reason) -> None:
    (row,) = [
        line for line in page("reasons.md").splitlines() if line.startswith(f"| `{reason}` |")
    ]
    heard = row.split("|")[2].strip()
    if reason in UNTOLD:
        assert heard == f"`{Reason.NOT_AVAILABLE}`"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted names of all keys a file of this shape may hold; `<id>` stands for a name of one's own."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        yield prefix + name
        for inner, step in models(field.annotation):
            yield from keys(inner, f"{prefix}{name}.{step}")


def models(annotation: Any, step: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, step
    origin = typing.get_origin(annotation)
    for inner in typing.get_args(annotation):
        if origin in (dict, types.MappingProxyType):
            yield from models(inner, "<id>.")
        elif origin is not typing.Literal:
            yield from models(inner, step)


@pytest.mark.parametrize("key", sorted(keys(Settings)))
def test_every_setting_is_documented(key: str) -> None:
    assert f"| `{key}` |" in page("settings.md")


def test_no_documented_setting_is_gone() -> None:
    documented = set(re.findall(r"^\| `([a-z_.<>]+)` \|", page("settings.md"), re.MULTILINE))
    assert documented == set(keys(Settings))


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    assert page("cli.md") == cli_page.text(), "run `make docs` and commit docs/reference/cli.md"


def classes(path: Path) -> list[str]:
    """Public classes of a file."""
    found = (node for node in tree(path).body if isinstance(node, ast.ClassDef))
    return [node.name for node in found if not node.name.startswith("_")]


def test_every_port_is_documented() -> None:
    headings = re.findall(r"^## `(\w+)`", page("ports.md"), re.MULTILINE)
    protocols = [
        node.name
        for file in GATEWAY.glob("*ports.py")
        for node in tree(file).body
        if isinstance(node, ast.ClassDef)
        and "Protocol" in {ast.unparse(base).partition("[")[0] for base in node.bases}
    ]
    assert sorted(headings) == sorted(protocols)


@pytest.mark.parametrize("file", ["core/model.py", "core/record.py"])
def test_every_value_of_the_core_is_in_the_vocabulary(file: str) -> None:
    text = page("vocabulary.md")
    assert [name for name in classes(GATEWAY / file) if f"`{name}`" not in text] == []


PAGES: Final = [path for path in committed() if path.suffix == ".md"]


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


@pytest.mark.parametrize("path", PAGES, ids=short)
def test_every_path_a_page_names_is_there(path: Path) -> None:
    ours = r"`((?:gateway|tests|docs|benchmarks|scenarios)/[\w./-]*)`"
    named = re.findall(ours, path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def anchors(path: Path) -> set[str]:
    """The anchors GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}


@pytest.mark.parametrize("folder", ["how-to", "reference", "explanation", "adr", "tutorial"])
def test_the_index_knows_every_page(folder: str) -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    there = sorted((ROOT / "docs" / folder).glob("*.md"))
    assert there
    assert [path.name for path in there if f"({folder}/{path.name})" not in index] == []


# Written in parts, so that this file holds none of them. A URL path such as /root/mcp is no machine's.
PLACES: Final = [
    "/" + r"root/[\w.-]+/",
    "/" + r"work/[\w.-]+",
    "/" + "opt/pypi",
    "/home/" + "runner",
    "registry." + "npmjs",
    "registry." + "yarnpkg",
    "pypi" + r"\.org",
    "files.python" + "hosted",
]


@pytest.mark.parametrize("place", PLACES)
def test_no_file_names_a_registry_or_a_machine(place: str) -> None:
    wanted = re.compile(place.encode())
    named = [short(path) for path in committed() if wanted.search(path.read_bytes())]
    assert named == []
