"""The git companion on real repositories: refs, HEAD and index exactly as they were, or a conflict."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from gateway.undo.companion.base import ABSENT, No, Operation
from gateway.undo.companion.git import Git, git

PERSON = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


class Served:
    """Its tools by name, on one repository."""

    def __init__(self, operations: list[Operation], repo: str) -> None:
        self._by_name = {one.name: one for one in operations}
        self._repo = repo

    def __getattr__(self, name: str) -> Any:
        return lambda **given: self._by_name[name].run(**{"repo_path": self._repo, **given})


class Repo:
    """A repository to work in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self("init", "-q", "-b", "main")

    def __call__(self, *words: str) -> str:
        ran = subprocess.run(
            ["git", *PERSON, *words], cwd=self.path, check=True, capture_output=True
        )
        return ran.stdout.decode().strip()

    def commit(self, name: str, data: bytes) -> str:
        (self.path / name).write_bytes(data)
        self("add", "--", name)
        self("commit", "-q", "-m", name)
        return self("rev-parse", "HEAD")

    def staged(self) -> str:
        return self("ls-files", "--stage")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    (tmp_path / "root").mkdir()
    return Repo(tmp_path / "root" / "repo")


@pytest.fixture
def served(repo: Repo) -> Served:
    return Served(git(repo.path.parent), str(repo.path))


def refused(served: Served, tool: str, **arguments: Any) -> str:
    with pytest.raises(No) as caught:
        getattr(served, tool)(**arguments)
    return caught.value.code


def test_a_commit_is_taken_back_and_its_changes_are_staged_again(
    repo: Repo, served: Served
) -> None:
    first = repo.commit("a", b"1")
    (repo.path / "a").write_bytes(b"2")
    repo("add", "a")
    staged = repo.staged()
    before = served.git_head()
    repo("commit", "-q", "-m", "second")
    after = served.git_head()
    served.git_ref_set(
        ref=after["ref"], commit=before["commit"], expect=f"commit:{after['commit']}"
    )
    assert repo("rev-parse", "HEAD") == first
    assert repo.staged() == staged
    assert (repo.path / "a").read_bytes() == b"2"


def test_the_first_commit_of_all_is_taken_back(repo: Repo, served: Served) -> None:
    before = served.git_head()
    sha = repo.commit("a", b"1")
    served.git_ref_delete(ref="refs/heads/main", expect=f"commit:{sha}")
    assert served.git_head() == before
    assert before == {"state": "ref:refs/heads/main", "ref": "refs/heads/main", "commit": ""}


def test_a_branch_that_went_on_is_left_alone(repo: Repo, served: Served) -> None:
    first = repo.commit("a", b"1")
    repo("branch", "side")
    second = repo.commit("a", b"2")
    repo("branch", "-f", "side")
    assert refused(served, "git_ref_delete", ref="refs/heads/side", expect=f"commit:{first}") == (
        "CONFLICT"
    )
    assert repo("rev-parse", "side") == second


def test_a_branch_is_deleted_and_deleted_is_deleted(repo: Repo, served: Served) -> None:
    sha = repo.commit("a", b"1")
    repo("branch", "side/one")
    gone = {"ref": "refs/heads/side/one", "expect": f"commit:{sha}"}
    assert served.git_ref_delete(**gone) == {"changed": True, "state": ABSENT}
    assert served.git_ref_delete(**gone) == {"changed": False, "state": ABSENT}
    assert refused(served, "git_ref", ref="refs/heads/side/one") == "ABSENT"


def test_git_itself_compares_when_a_ref_moves_after_our_look(
    repo: Repo, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = repo.commit("a", b"1")
    repo("branch", "side")
    second = repo.commit("a", b"2")
    repo("branch", "-f", "side")
    monkeypatch.setattr("gateway.undo.companion.git._object", lambda *_: first)
    assert refused(served, "git_ref_delete", ref="refs/heads/side", expect=f"commit:{first}") == (
        "CONFLICT"
    )
    assert repo("rev-parse", "side") == second


def rude_index(repo: Repo) -> None:
    """Staged: changed, new, deleted, made executable, with names nobody should use."""
    for name in ("a", "gone", "run", "sp ace", 'qu"ote', "tab\there", "ümläut", "new\nline"):
        (repo.path / name).write_bytes(name.encode())
    (repo.path / os.fsdecode(b"latin\xe9")).write_bytes(b"x")
    repo("add", "-A")
    repo("commit", "-q", "-m", "names")
    (repo.path / "a").write_bytes(b"staged")
    (repo.path / "added ü").write_bytes(b"new")
    (repo.path / os.fsdecode(b"latin\xe9")).write_bytes(b"y")
    (repo.path / "run").chmod(0o755)
    (repo.path / "new\nline").write_bytes(b"changed")
    repo("add", "-A")
    repo("rm", "-q", "--cached", "gone")
    (repo.path / "a").write_bytes(b"not staged")


def test_what_was_staged_is_staged_again_after_a_reset(repo: Repo, served: Served) -> None:
    rude_index(repo)
    before, staged, status = served.git_index(), repo.staged(), repo("status", "--porcelain")
    repo("reset", "-q")
    now = served.git_index()["state"]
    assert now != before["state"]
    served.git_index_restore(**before, expect=now)
    assert (repo.staged(), repo("status", "--porcelain")) == (staged, status)
    assert sorted(os.listdir(repo.path / ".git")) == sorted(
        set(os.listdir(repo.path / ".git")) - {"index.lock"}
    )
    assert not [name for name in os.listdir(repo.path / ".git") if "bulkhead" in name]


def test_what_would_be_staged_is_known_where_there_is_nowhere_for_temporary_files(
    repo: Repo, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit("a", b"1")
    (repo.path / "a").write_bytes(b"2")
    before = sorted(repo.path.rglob("*"))
    known = served.git_index_after_add(files=["a"])

    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    assert served.git_index_after_add(files=["a"]) == known
    assert sorted(repo.path.rglob("*")) == before


def test_a_human_who_stages_in_between_is_not_unstaged(repo: Repo, served: Served) -> None:
    repo.commit("a", b"1")
    before = served.git_index()
    (repo.path / "a").write_bytes(b"2")
    repo("add", "a")
    expected = served.git_index()["state"]
    (repo.path / "human").write_bytes(b"h")
    repo("add", "human")
    staged = repo.staged()
    assert refused(served, "git_index_restore", **before, expect=expected) == "CONFLICT"
    assert repo.staged() == staged


def test_while_git_is_at_work_nothing_is_written(repo: Repo, served: Served) -> None:
    repo.commit("a", b"1")
    before = served.git_index()
    (repo.path / "a").write_bytes(b"2")
    repo("add", "a")
    now = served.git_index()["state"]
    lock = repo.path / ".git" / "index.lock"
    lock.write_bytes(b"")
    assert refused(served, "git_index_restore", **before, expect=now) == "CONFLICT"
    assert lock.exists()


def test_an_index_that_cannot_be_made_again_changes_nothing(repo: Repo, served: Served) -> None:
    repo.commit("a", b"1")
    before = served.git_index()
    staged = repo.staged()
    lost = {**before, "entries": [f"100644 {'1' * 40}\tlost"], "state": "index:other"}
    assert refused(served, "git_index_restore", **lost, expect=before["state"]) == "FAILED"
    assert repo.staged() == staged


@pytest.mark.parametrize("mark", ["--assume-unchanged", "--skip-worktree"])
def test_an_index_with_marks_of_its_own_is_not_described(
    repo: Repo, served: Served, mark: str
) -> None:
    repo.commit("a", b"1")
    repo("update-index", mark, "a")
    assert refused(served, "git_index") == "OTHER"


def test_an_intention_to_add_is_not_described(repo: Repo, served: Served) -> None:
    repo.commit("a", b"1")
    (repo.path / "later").write_bytes(b"x")
    repo("add", "--intent-to-add", "later")
    assert refused(served, "git_index") == "OTHER"


def test_the_index_of_an_unborn_branch(repo: Repo, served: Served) -> None:
    empty = served.git_index()
    (repo.path / "a").write_bytes(b"1")
    repo("add", "a")
    now = served.git_index()["state"]
    served.git_index_restore(**empty, expect=now)
    assert repo.staged() == ""


def test_switching_carries_changes_over_or_refuses(repo: Repo, served: Served) -> None:
    repo.commit("a", b"1")
    repo("branch", "side")
    repo.commit("b", b"2")
    (repo.path / "untracked").write_bytes(b"u")
    main, side = "ref:refs/heads/main", "ref:refs/heads/side"
    served.git_switch(to=side, expect=main)
    assert not (repo.path / "b").exists()
    assert (repo.path / "untracked").exists()
    (repo.path / "b").write_bytes(b"human")
    assert refused(served, "git_switch", to=main, expect=side) == "CONFLICT"
    assert (repo.path / "b").read_bytes() == b"human"
    assert served.git_head()["state"] == side


def test_a_detached_head_is_gone_back_to(repo: Repo, served: Served) -> None:
    first = repo.commit("a", b"1")
    repo.commit("a", b"2")
    repo("checkout", "-q", first)
    detached = served.git_head()
    assert detached["ref"] == ""
    repo("checkout", "-q", "main")
    served.git_switch(to=detached["state"], expect="ref:refs/heads/main")
    assert served.git_head() == detached
    served.git_head_set(to="ref:refs/heads/main", expect=detached["state"])
    assert repo("symbolic-ref", "HEAD") == "refs/heads/main"


def test_a_person_who_moves_a_detached_head_in_that_very_moment_is_seen(
    repo: Repo, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = repo.commit("a", b"1"), repo.commit("a", b"2")
    third = repo.commit("a", b"3")
    repo("checkout", "-q", "--detach", second)
    looked = Git._there

    def then_moved(self: Git, repo_path: str, to: str, expect: str) -> bool:
        found = looked(self, repo_path, to, expect)
        repo("checkout", "-q", "--detach", third)
        return found

    monkeypatch.setattr(Git, "_there", then_moved)
    wanted, was = f"commit:{first}", f"commit:{second}"
    assert refused(served, "git_head_set", to=wanted, expect=was) == "CONFLICT"
    assert repo("rev-parse", "HEAD") == third


@pytest.mark.parametrize("change", ["content", "new", "executable", "gone"])
def test_the_state_of_the_working_tree_shows_every_change(
    repo: Repo, served: Served, change: str
) -> None:
    repo.commit("a", b"1")
    before = served.git_worktree()
    if change == "content":
        (repo.path / "a").write_bytes(b"2")
    if change == "new":
        (repo.path / "n\nü").write_bytes(b"2")
    if change == "executable":
        (repo.path / "a").chmod(0o755)
    if change == "gone":
        (repo.path / "a").unlink()
    after = served.git_worktree()
    assert before["paths"] == []
    assert after["state"] != before["state"]
    assert len(after["paths"]) == 1


def test_only_repositories_below_the_root_are_touched(
    repo: Repo, served: Served, tmp_path: Path
) -> None:
    repo.commit("a", b"1")
    outside = Repo(tmp_path / "outside")
    sha = outside.commit("a", b"1")
    (repo.path / "link").symlink_to(outside.path)
    (repo.path / "plain").mkdir()
    assert refused(served, "git_head", repo_path=str(outside.path)) == "OUTSIDE"
    assert refused(served, "git_head", repo_path="repo/link") == "OUTSIDE"
    assert refused(served, "git_head", repo_path="../outside") == "OUTSIDE"
    assert refused(served, "git_head", repo_path="repo/plain") == "OTHER"
    assert refused(served, "git_head", repo_path="none") == "ABSENT"
    borrowed = repo.path.parent / "borrowed"
    borrowed.mkdir()
    (borrowed / ".git").write_text(f"gitdir: {outside.path}/.git\n")
    assert refused(served, "git_head", repo_path="borrowed") == "OUTSIDE"
    assert outside("rev-parse", "main") == sha


def test_a_hook_of_the_repository_does_not_run(repo: Repo, served: Served) -> None:
    sha = repo.commit("a", b"1")
    repo("branch", "side")
    hook = repo.path / ".git" / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {repo.path}/ran\n")
    hook.chmod(0o755)
    served.git_ref_delete(ref="refs/heads/side", expect=f"commit:{sha}")
    assert not (repo.path / "ran").exists()
