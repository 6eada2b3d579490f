"""Pin files: what an operator approved, read strictly and written whole."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.names import public_name
from gateway.catalogue.pins import Pin, Pins, load, save
from gateway.core.model import Target
from gateway.errors import Misconfigured
from tests.catalogue.offering import approved, pins, resource, tool


def _saved(policies: Path) -> Path:
    known = pins(
        approved("files", tool("read"), tool("write")),
        approved("files", resource("file:///a"), kind="resource"),
        directory=policies / "pins",
    )
    return save(known, "files")


def _refusal(policies: Path) -> str:
    with pytest.raises(Misconfigured) as refused:
        load(policies, ["files", "git"])
    assert "\n" not in str(refused.value)
    return str(refused.value)


def _edit(path: Path, old: str, new: str) -> int:
    """Replace text once; the line it stood on."""
    text = path.read_text()
    assert text.count(old) == 1, text.count(old)
    path.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


names = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


@given(found=st.dictionaries(names, texts, max_size=5))
def test_what_is_saved_is_what_is_loaded(
    found: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("policies")
    listed = [tool(name, description=text) for name, text in found.items()]
    known = pins(approved("files", *listed), directory=home / "pins")
    save(known, "files")
    assert load(home, ["files"]) == known


def test_what_a_file_said_before_it_was_written_anew_is_not_kept(tmp_path: Path) -> None:
    """Each approval writes all of its server's descriptors, of which there may be thousands."""
    for number in range(5):
        listed = [tool(name, description=f"once {number}") for name in "abc"]
        save(pins(approved("files", *listed), directory=tmp_path / "pins"), "files")
        load(tmp_path, ["files"])
        del listed
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) is Pin]
    said = [pin.descriptor.get("description", "") for pin in alive]
    assert [text for text in said if text.startswith("once")] == ["once 4"] * 3


def test_without_a_directory_nothing_is_approved(tmp_path: Path) -> None:
    assert load(tmp_path, ["files"]) == Pins(tmp_path / "pins")


def test_saving_twice_writes_the_same_bytes_in_a_stable_order(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    first = path.read_bytes()
    save(load(tmp_path, ["files"]), "files")
    assert path.read_bytes() == first
    assert first.index(b'"read"') < first.index(b'"write"')
    assert oct(path.stat().st_mode & 0o777) == "0o644"
    assert os.listdir(path.parent) == ["files.json"]


def test_a_person_sees_every_hidden_character(tmp_path: Path) -> None:
    poisoned = tool("read", description="a\u200bb\U000e0041 é")
    path = save(pins(approved("files", poisoned), directory=tmp_path / "pins"), "files")
    text = path.read_text()
    assert "a\\u200bb\\udb40\\udc41 é" in text
    assert (
        load(tmp_path, ["files"]).by_target[Target("files", "tool", "read")].descriptor == poisoned
    )


def test_an_edited_descriptor_is_refused_at_its_line(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    _edit(path, "does write", "does more")
    line = path.read_text().split("\n").index('    "write": {') + 2
    assert _refusal(tmp_path).startswith(
        f"{path}:{line}: tool.write: the descriptor does not match"
    )


def test_an_unknown_key_is_refused_at_its_line(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    line = _edit(path, '  "resource": {', '  "resources": {')
    assert _refusal(tmp_path) == f"{path}:{line}: resources: unknown key"


def test_an_unknown_key_of_a_pin_is_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    tree = json.loads(path.read_text())
    tree["tool"]["read"]["aproved_by"] = "x"
    path.write_text(json.dumps(tree, indent=2))
    assert "tool.read.aproved_by: unknown key" in _refusal(tmp_path)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    text = path.read_text()
    start = text.index('    "read": {')
    block = text[start : text.index('    "write": {')]
    path.write_text(text[:start] + block + text[start:])
    assert "read: stands here twice" in _refusal(tmp_path)


def test_a_file_for_a_server_that_is_not_configured_is_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    with pytest.raises(Misconfigured, match=r"no server .files. in bulkhead\.yaml .*restart it"):
        load(tmp_path, ["git"])
    path.rename(path.with_name("git.json"))
    assert "server must be 'git'" in _refusal(tmp_path)


@pytest.mark.parametrize("missing", ["digest", "approved_at", "approved_by", "descriptor"])
def test_a_missing_member_is_refused(tmp_path: Path, missing: str) -> None:
    path = _saved(tmp_path)
    tree = json.loads(path.read_text())
    del tree["tool"]["read"][missing]
    path.write_text(json.dumps(tree, indent=2))
    assert f"tool.read.{missing}: missing" in _refusal(tmp_path)


def test_a_descriptor_under_another_name_is_refused(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    _edit(path, '    "read": {', '    "rename": {')
    assert "tool.rename: the descriptor is of something else" in _refusal(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"server": "files", "tool": []}', '{"server": "files", "tool": {"x": 1}}', "\ufeff{}",
     '{"server": "files", "tool": {"x": {"digest": 1, "approved_at": "", "approved_by": "", "descriptor": {}}}}',
     '{"server": "files", "x": NaN}', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_pin_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pins").mkdir()
    (tmp_path / "pins" / "files.json").write_text(text)
    assert str(tmp_path / "pins" / "files.json") in _refusal(tmp_path)


def test_two_approved_names_with_one_public_name_are_refused(tmp_path: Path) -> None:
    twin = public_name("files", "löschen").removeprefix("files__")
    known = pins(approved("files", tool("löschen"), tool(twin)), directory=tmp_path / "pins")
    save(known, "files")
    assert "is claimed by files:" in _refusal(tmp_path)


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _saved(tmp_path)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Misconfigured, match="No space left"):
        save(Pins(tmp_path / "pins"), "files")
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["files.json"]
