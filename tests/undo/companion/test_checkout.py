"""What a checkout would lose, looked at in real repositories: each of these was lost before it was looked at."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.undo.companion.base import No
from gateway.undo.companion.checkout import look
from gateway.undo.companion.gitrun import Repositories, Repository


def git(tree: Path, *words: str) -> None:
    person = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *person, *words], cwd=tree, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """On `main`, which has `sub/c.txt`; `side` has not, and has `new/d.txt` instead."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "a.txt").write_text("a\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "begin")
    git(tmp_path, "checkout", "-q", "-b", "side")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "d.txt").write_text("d\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "side")
    git(tmp_path, "checkout", "-q", "main")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.txt").write_text("c\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "main")
    return tmp_path


def at(tree: Path) -> Repository:
    return Repositories.open(tree).at(str(tree))


def test_nothing_is_in_the_way_of_a_clean_checkout(tree: Path) -> None:
    (tree / "mine.txt").write_text("untracked, and of no commit")
    (tree / "a.txt").write_text("changed, and the same in both commits")
    assert look(at(tree), "side") == {"paths": [], "plain": True}


def ignored_file(tree: Path) -> None:
    (tree / ".git" / "info" / "exclude").write_text("new\n")
    (tree / "new").mkdir()
    (tree / "new" / "d.txt").write_text("mine")


def file_where_a_directory_comes(tree: Path) -> None:
    (tree / "new").write_text("mine")


def empty_directory(tree: Path) -> None:
    (tree / "new").mkdir()


def staged_deletion(tree: Path) -> None:
    git(tree, "rm", "-q", "sub/c.txt")


def deletion_that_is_not_staged(tree: Path) -> None:
    (tree / "sub" / "c.txt").unlink()


def staged_file_the_other_has(tree: Path) -> None:
    (tree / "new").mkdir()
    (tree / "new" / "d.txt").write_text("d\n")
    git(tree, "add", "new/d.txt")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (ignored_file, "new/d.txt"),
        (file_where_a_directory_comes, "new"),
        (empty_directory, "new"),
        (staged_deletion, "sub/c.txt"),
        (deletion_that_is_not_staged, "sub/c.txt"),
        (staged_file_the_other_has, "new/d.txt"),
    ],
)
def test_what_going_back_would_not_bring_again_is_in_the_way(
    tree: Path, change: Callable[[Path], None], path: str
) -> None:
    change(tree)
    assert path in look(at(tree), "side")["paths"]


def odd_mode(tree: Path) -> None:
    (tree / "sub" / "c.txt").chmod(0o600)


def odd_directory(tree: Path) -> None:
    (tree / "sub").chmod(0o700)


def attributes(tree: Path) -> None:
    (tree / ".git" / "info" / "attributes").write_text("*.txt text eol=crlf\n")


def attributes_nobody_tracks(tree: Path) -> None:
    (tree / ".gitattributes").write_text("*.txt text eol=crlf\n")


def attributes_of_one_directory(tree: Path) -> None:
    (tree / "sub" / ".gitattributes").write_text("c.txt ident\n")


def attributes_of_the_other_commit(tree: Path) -> None:
    git(tree, "checkout", "-q", "side")
    (tree / ".gitattributes").write_text("*.md text\n")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "attributes")
    git(tree, "checkout", "-q", "main")


def modules_that_follow(tree: Path) -> None:
    git(tree, "config", "submodule.recurse", "true")


def line_ends(tree: Path) -> None:
    git(tree, "config", "core.autocrlf", "true")


@pytest.mark.parametrize(
    "change",
    [
        odd_mode,
        odd_directory,
        attributes,
        attributes_nobody_tracks,
        attributes_of_one_directory,
        attributes_of_the_other_commit,
        modules_that_follow,
        line_ends,
    ],
)
def test_bytes_and_modes_git_does_not_keep_are_not_plain(
    tree: Path, change: Callable[[Path], None]
) -> None:
    change(tree)
    assert look(at(tree), "side") == {"paths": [], "plain": False}


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (".gitconfig", "[core]\nautocrlf = true\n"),
        (".config/git/attributes", "*.txt text eol=crlf\n"),
    ],
)
def test_what_the_servers_user_tells_git_for_all_repositories_is_not_plain(
    tree: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    said: str,
) -> None:
    person = tmp_path_factory.mktemp("person")
    (person / file).parent.mkdir(parents=True, exist_ok=True)
    (person / file).write_text(said)
    monkeypatch.setenv("HOME", str(person))
    assert look(at(tree), "side") == {"paths": [], "plain": False}


def test_attributes_that_convert_nothing_and_names_that_are_no_utf8_are_plain(tree: Path) -> None:
    (tree / ".git" / "info" / "attributes").write_text("*.txt -text diff=words\n")
    name = b"sub/\xff.txt".decode("utf-8", "surrogateescape")
    (tree / name).write_text("odd\n")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "odd")
    assert look(at(tree), "side") == {"paths": [], "plain": True}


@pytest.mark.parametrize("name", ["nowhere", "--orphan", ""])
def test_a_revision_that_is_none_is_absent(tree: Path, name: str) -> None:
    with pytest.raises(No, match="ABSENT"):
        look(at(tree), name)
