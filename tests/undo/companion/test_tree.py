"""Everything below a directory: whatever a call did there is taken back, also where files became directories."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.undo.companion.base import No
from gateway.undo.companion.store import Compared
from gateway.undo.companion.tree import Tree


def write(path: Path, data: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def seen(root: Path) -> dict[str, tuple[int, object]]:
    """Read past the companion: each path with its mode and what it holds."""
    found: dict[str, tuple[int, object]] = {}
    for path in sorted(root.rglob("*")):
        held = os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        found[str(path.relative_to(root))] = (path.lstat().st_mode, held)
    return found


def emptied(path: Path) -> None:
    shutil.rmtree(path)


def a_file_in_its_place(root: Path) -> None:
    emptied(root / "a")
    write(root / "a")


def a_link_in_its_place(root: Path) -> None:
    emptied(root / "a")
    (root / "a").symlink_to("/etc")


def a_directory_in_place_of_a_file(root: Path) -> None:
    (root / "file").unlink()
    write(root / "file" / "deep" / "er")


def two_swapped(root: Path) -> None:
    os.rename(root / "a", root / "between")
    os.rename(root / "file", root / "a")
    os.rename(root / "between", root / "file")


def rewritten(root: Path) -> None:
    write(root / "a" / "b" / "c", b"\0\xff\r\n")
    (root / "file").chmod(0o4711)
    (root / "a" / "b").chmod(0o700)
    (root / "link").unlink()
    (root / "line\nend").write_text("new")


def a_pipe_made(root: Path) -> None:
    os.mkfifo(root / "a" / "pipe")


def names_that_are_no_utf8(root: Path) -> None:
    odd = os.fsencode(root) + b"/caf\xe9"
    os.mkdir(odd)
    os.rename(root / "file", os.fsdecode(odd) + "/\udcff\N{PILE OF POO}")


ACTS = [
    a_pipe_made,
    names_that_are_no_utf8,
    a_file_in_its_place,
    a_link_in_its_place,
    a_directory_in_place_of_a_file,
    two_swapped,
    rewritten,
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    write(root / "a" / "b" / "c", b"deep")
    write(root / "file", b"file")
    (root / "link").symlink_to("file")
    return root


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_what_was_done_below_a_root_is_put_back(root: Path, act: Callable[[Path], None]) -> None:
    before, compared = seen(root), Compared(Tree(root, 1000))
    mark = compared.state()["state"]
    act(root)
    assert seen(root) != before
    changes = compared.changes(mark)
    assert compared.put(changes["was"], changes["now"]) == {"changed": True}
    assert seen(root) == before
    assert compared.records(list(changes["was"]))["records"] == changes["was"]


def test_another_directory_in_the_place_of_the_root_is_the_one_that_is_looked_at(
    root: Path,
) -> None:
    compared = Compared(Tree(root, 1000))
    mark = compared.state()["state"]
    root.rename(root.with_name("old"))
    write(root / "file", b"new")
    changes = compared.changes(mark)
    assert changes["now"]["a/b/c"] is None
    assert changes["now"]["file"] != changes["was"]["file"]


def test_a_root_that_is_gone_is_not_taken_for_an_empty_one(root: Path) -> None:
    compared = Compared(Tree(root, 1000))
    mark = compared.state()["state"]
    root.rename(root.with_name("old"))
    with pytest.raises(No, match="FAILED: the root"):
        compared.changes(mark)
    with pytest.raises(No, match="FAILED: the root"):
        compared.records(["file"])


def test_a_file_over_the_cap_that_a_call_made_is_taken_away_again(root: Path) -> None:
    write(root / "large", b"x" * 2000)
    before, compared = seen(root), Compared(Tree(root, 1000))
    mark = compared.state()["state"]
    write(root / "new" / "larger", b"y" * 3000)
    write(root / "file", b"z" * 4000)
    changes = compared.changes(mark)
    compared.put(changes["was"], changes["now"])
    assert seen(root) == before


def test_a_file_over_the_cap_that_a_call_changed_is_named_and_nothing_is_promised(
    root: Path,
) -> None:
    write(root / "large", b"x" * 2000)
    compared = Compared(Tree(root, 1000))
    mark = compared.state()["state"]
    write(root / "large", b"y" * 2000)
    with pytest.raises(No, match="TOO_LARGE: large was more than is kept"):
        compared.changes(mark)


def test_what_somebody_made_of_a_file_over_the_cap_is_not_written_over(root: Path) -> None:
    compared = Compared(Tree(root, 1000))
    mark = compared.state()["state"]
    write(root / "new", b"y" * 3000)
    changes = compared.changes(mark)
    write(root / "new", b"somebody's" * 300)
    with pytest.raises(No, match="CONFLICT"):
        compared.put(changes["was"], changes["now"])
    assert (root / "new").read_bytes() == b"somebody's" * 300


def test_what_somebody_put_into_a_directory_a_call_made_keeps_all_that_the_call_made(
    root: Path,
) -> None:
    """A conflict says that nothing was changed: it would be half gone."""
    compared = Compared(Tree(root, 1024))
    mark = compared.state()["state"]
    write(root / "made" / "deep" / "by the call")
    changes = compared.changes(mark)
    write(root / "made" / "by somebody")
    there = seen(root)
    with pytest.raises(No, match=r"^CONFLICT: made/by somebody is in what would go"):
        compared.put(changes["was"], changes["now"])
    assert seen(root) == there
    (root / "made" / "by somebody").unlink()
    assert compared.put(changes["was"], changes["now"]) == {"changed": True}
    assert not (root / "made").exists()
