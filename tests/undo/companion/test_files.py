"""The files companion: exact bytes, compare-and-swap, and no way out of its root."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.undo.companion import names
from gateway.undo.companion.base import ABSENT, No, Operation
from gateway.undo.companion.files import files

RUDE = [b"", b"a\r\nb\r\n", b"\xef\xbb\xbfbom", b"nul\0nul", b"\xe9\xff", "\U0001f600".encode()]


class Served:
    """Its tools by name."""

    def __init__(self, operations: list[Operation]) -> None:
        self._by_name = {one.name: one for one in operations}

    def __getattr__(self, name: str) -> Any:
        return self._by_name[name].run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "root"


@pytest.fixture
def served(root: Path) -> Served:
    return Served(files(root, 1000))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def refused(served: Served, tool: str, **arguments: Any) -> str:
    with pytest.raises(No) as caught:
        getattr(served, tool)(**arguments)
    return caught.value.code


@pytest.mark.parametrize("data", RUDE)
def test_what_is_read_can_be_put_back_byte_for_byte(
    root: Path, served: Served, data: bytes
) -> None:
    path = root / "sub" / "file"
    path.write_bytes(data)
    path.chmod(0o640)
    before = served.file_read(path="sub/file")
    path.write_bytes(b"changed")
    path.chmod(0o600)
    now = served.file_state(path="sub/file")["state"]
    done = served.file_put(
        path="sub/file", bytes_b64=before["bytes_b64"], mode=before["mode"], expect=now
    )
    assert done == {"changed": True, "state": before["state"]}
    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (data, 0o640)
    assert os.listdir(root / "sub") == ["file"]


def test_a_put_over_what_was_not_expected_leaves_it(root: Path, served: Served) -> None:
    (root / "f").write_bytes(b"agent")
    expected = served.file_state(path="f")["state"]
    (root / "f").write_bytes(b"human")
    arguments = {"path": "f", "bytes_b64": b64(b"old"), "mode": "0644"}
    assert refused(served, "file_put", expect=expected, **arguments) == "CONFLICT"
    assert refused(served, "file_put", expect=ABSENT, **arguments) == "CONFLICT"
    assert (root / "f").read_bytes() == b"human"


def test_a_change_of_mode_alone_is_a_conflict(root: Path, served: Served) -> None:
    (root / "f").write_bytes(b"same")
    expected = served.file_state(path="f")["state"]
    (root / "f").chmod(0o600)
    assert refused(served, "file_delete", path="f", expect=expected) == "CONFLICT"
    assert (root / "f").exists()


@pytest.mark.parametrize("tool", ["put", "delete"])
def test_a_write_in_the_very_moment_survives(
    root: Path, served: Served, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    """After the comparison and before the change of names: the only race there is."""
    (root / "f").write_bytes(b"agent")
    expected = served.file_state(path="f")["state"]

    def first_human(change: Any) -> Any:
        def changed(one: Any, other: Any) -> None:
            monkeypatch.undo()
            (root / "f").write_bytes(b"human")
            change(one, other)

        return changed

    name = "exchange" if tool == "put" else "rename_onto_nothing"
    monkeypatch.setattr(names, name, first_human(getattr(names, name)))
    if tool == "put":
        code = refused(
            served, "file_put", path="f", bytes_b64=b64(b"old"), mode="0644", expect=expected
        )
    else:
        code = refused(served, "file_delete", path="f", expect=expected)
    assert code == "CONFLICT"
    assert (root / "f").read_bytes() == b"human"
    assert sorted(os.listdir(root)) == ["f", "sub"]


def test_without_the_systems_help_nothing_is_lost_either(
    root: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_rename", None)
    (root / "f").write_bytes(b"agent")
    expected = served.file_state(path="f")["state"]
    served.file_put(path="f", bytes_b64=b64(b"old"), mode="0644", expect=expected)
    assert (root / "f").read_bytes() == b"old"
    assert sorted(os.listdir(root)) == ["f", "sub"]
    now = served.file_state(path="f")["state"]
    served.file_move(source="f", destination="sub/g", expect=now)
    served.file_delete(path="sub/g", expect=now)
    assert os.listdir(root / "sub") == []


def test_done_already_is_done(root: Path, served: Served) -> None:
    (root / "f").write_bytes(b"x")
    (root / "f").chmod(0o644)
    state = served.file_state(path="f")["state"]
    put = {"path": "f", "bytes_b64": b64(b"x"), "mode": "0644", "expect": ABSENT}
    assert served.file_put(**put) == {"changed": False, "state": state}
    assert served.file_delete(path="gone", expect=state) == {"changed": False, "state": ABSENT}
    assert served.file_move(source="gone", destination="f", expect=state)["changed"] is False


def test_a_move_never_lands_on_anything(root: Path, served: Served) -> None:
    (root / "a").write_bytes(b"a")
    (root / "b").write_bytes(b"b")
    state = served.file_state(path="a")["state"]
    assert refused(served, "file_move", source="a", destination="b", expect=state) == "CONFLICT"
    assert ((root / "a").read_bytes(), (root / "b").read_bytes()) == (b"a", b"b")


def test_a_directory_is_removed_only_when_empty(root: Path, served: Served) -> None:
    state = served.file_state(path="sub")["state"]
    (root / "sub" / "human.txt").write_bytes(b"human")
    assert refused(served, "directory_remove", path="sub", expect=state) == "CONFLICT"
    (root / "sub" / "human.txt").unlink()
    served.directory_remove(path="sub", expect=state)
    assert os.listdir(root) == []
    served.directory_make(path="sub", mode=state.partition(":")[2])
    assert served.file_state(path="sub")["state"] == state


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../secret", "OUTSIDE"),
        ("sub/../../secret", "OUTSIDE"),
        ("/etc/hostname", "OUTSIDE"),
        ("{root}-beside/x", "OUTSIDE"),
        ("{root}/../secret", "OUTSIDE"),
        ("out/secret", "OTHER"),
        ("link", "OTHER"),
        ("sub", "OTHER"),
        ("", "OTHER"),
        ("a\0b", "INVALID"),
        ("none/x", "ABSENT"),
        ("sub/none", "ABSENT"),
        ("file/x", "OTHER"),
        ("pipe", "OTHER"),
        ("large", "TOO_LARGE"),
    ],
)
def test_nothing_is_read_but_small_files_below_the_root(
    root: Path, served: Served, path: str, code: str
) -> None:
    (root / "out").symlink_to(root.parent)
    (root / "link").symlink_to(root.parent / "secret")
    (root / "file").write_bytes(b"x")
    (root / "large").write_bytes(b"x" * 1001)
    os.mkfifo(root / "pipe")
    assert refused(served, "file_read", path=path.format(root=root)) == code


@pytest.mark.parametrize("path", ["out/new", "../new", "/tmp/never/new", "link"])
def test_nothing_is_written_outside_the_root(root: Path, served: Served, path: str) -> None:
    (root / "out").symlink_to(root.parent)
    (root / "link").symlink_to(root.parent / "secret")
    arguments = {"path": path, "bytes_b64": b64(b"x"), "mode": "0644"}
    assert refused(served, "file_put", expect=ABSENT, **arguments) in (
        "OUTSIDE",
        "OTHER",
        "CONFLICT",
    )
    assert not (root.parent / "new").exists()
    assert (root.parent / "secret").read_text() == "secret"


def test_a_file_beyond_the_reading_limit_still_has_a_state(root: Path, served: Served) -> None:
    (root / "large").write_bytes(b"x" * 5000)
    state = served.file_state(path="large")["state"]
    served.file_delete(path="large", expect=state)
    assert not (root / "large").exists()


def test_an_absolute_path_below_the_root_is_the_same_place(root: Path, served: Served) -> None:
    (root / "f").write_bytes(b"x")
    assert served.file_read(path=str(root / "f")) == served.file_read(path="f")


def test_another_directory_in_the_place_of_the_root_is_the_one_that_is_looked_at(
    root: Path, served: Served
) -> None:
    (root / "file").write_bytes(b"old")
    root.rename(root.with_name("old"))
    root.mkdir()
    (root / "file").write_bytes(b"new")
    assert served.file_read(path="file")["bytes_b64"] == b64(b"new")


def test_a_root_that_is_gone_is_not_taken_for_an_empty_one(root: Path, served: Served) -> None:
    root.rename(root.with_name("old"))
    assert refused(served, "file_state", path="file") == "FAILED"
    assert refused(served, "file_read", path="file") == "FAILED"
