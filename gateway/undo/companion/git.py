"""The companion of a git server: refs, HEAD and the index moved back, each only from where it is expected.

    git_head(repo_path)                                     -> {state, ref, commit}
    git_ref(repo_path, ref)                                 -> {state, commit}            ABSENT
    git_index(repo_path)                                    -> {state, base, entries}     OTHER
    git_index_after_add(repo_path, files)                   -> {state}                    OTHER
    git_revision(repo_path, revision)                       -> {commit}                   ABSENT
    git_worktree(repo_path)                                 -> {state, paths}             OTHER, TOO_LARGE
    git_in_the_way(repo_path, to)                           -> {paths, plain}             ABSENT
    git_ref_set(repo_path, ref, commit, expect)             -> {changed, state}           CONFLICT
    git_ref_delete(repo_path, ref, expect)                  -> {changed, state}           CONFLICT
    git_index_restore(repo_path, base, entries, state, expect) -> {changed, state}        CONFLICT
    git_head_set(repo_path, to, expect)                     -> {changed, state}           CONFLICT
    git_switch(repo_path, to, expect)                       -> {changed, state}           CONFLICT

A ref's state is `commit:<sha>` or `absent`; HEAD's is `ref:<name>` or `commit:<sha>` (detached), and says
nothing of where that branch stands: `git_ref(ref=refs/heads/...)` does, and `ref` in `git_head` names it.
`ref` and `commit` in `git_head` are empty strings when detached, or when nothing was committed yet.
`to` is a state of HEAD. `git_ref_set` and `git_ref_delete` are git's own compare-and-swap (update-ref);
`git_switch` moves the working tree too, and refuses what would overwrite a change.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.undo.companion import checkout, index
from gateway.undo.companion.base import (
    ABSENT,
    STATE,
    TEXT,
    JsonObject,
    No,
    Operation,
    conflict,
)
from gateway.undo.companion.gitrun import GitFailed, Repositories, Repository, shown
from gateway.values import Value

SHA: Final[JsonObject] = {"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$"}
REF: Final[JsonObject] = {"type": "string", "pattern": "^refs/[^\\s~^:?*\\[\\\\]+$"}
MOST_CHANGES: Final = 2000
MOST_BYTES: Final = 256 * 1024 * 1024


class Git(Value):
    """The operations, over all repositories below one root."""

    repositories: Repositories

    def operations(self) -> list[Operation]:
        """What it serves."""
        return [*self._reads(), *self._writes()]

    def _reads(self) -> list[Operation]:
        path = {"repo_path": TEXT}
        ref, to = {**path, "ref": REF}, {**path, "to": TEXT}
        add = {**path, "files": {"type": "array", "items": TEXT}}
        named = {**path, "revision": TEXT}
        tried = self.index_after_add
        return [
            Operation("git_head", "Where HEAD is.", path, self.head, "read"),
            Operation("git_ref", "Where a ref is.", ref, self.ref, "read"),
            Operation("git_index", "What is staged.", path, self.index, "read"),
            Operation("git_index_after_add", "What would be staged.", add, tried, "read"),
            Operation("git_revision", "Which commit that is now.", named, self.revision, "read"),
            Operation("git_worktree", "Which files differ, and how.", path, self.worktree, "read"),
            Operation("git_in_the_way", "What a checkout would lose.", to, self.in_the_way, "read"),
        ]

    def _writes(self) -> list[Operation]:
        path = {"repo_path": TEXT}
        gone = {**path, "ref": REF, "expect": STATE}
        put = {**path, "ref": REF, "commit": SHA, "expect": STATE}
        moved = {**path, "to": STATE, "expect": STATE}
        entries = {"type": "array", "items": {"type": "string", "pattern": "^[0-7]+ [0-9a-f]+\t"}}
        staged = {**path, "base": SHA, "entries": entries, "state": STATE, "expect": STATE}
        return [
            Operation("git_ref_set", "Move a ref.", put, self.ref_set),
            Operation("git_ref_delete", "Drop a ref.", gone, self.ref_delete),
            Operation("git_index_restore", "Stage as before.", staged, self.index_restore),
            Operation("git_head_set", "Move HEAD alone.", moved, self.head_set),
            Operation("git_switch", "Move HEAD and the files.", moved, self.switch),
        ]

    def head(self, repo_path: str) -> JsonObject:
        """HEAD, by name and by commit."""
        repository = self.repositories.at(repo_path)
        ref = repository.said("symbolic-ref", "--quiet", "HEAD")
        commit = repository.commit("HEAD")
        return {
            "state": f"ref:{ref}" if ref else f"commit:{commit}",
            "ref": ref,
            "commit": commit,
        }

    def ref(self, repo_path: str, ref: str) -> JsonObject:
        """One ref."""
        commit = _object(self.repositories.at(repo_path), ref)
        if not commit:
            raise No("ABSENT", "no such ref")
        return {"state": f"commit:{commit}", "commit": commit}

    def index(self, repo_path: str) -> JsonObject:
        """What is staged, relative to HEAD's commit."""
        return index.read(self.repositories.at(repo_path))

    def index_after_add(self, repo_path: str, files: list[str]) -> JsonObject:
        """What the index would be after `git add -- FILES`. Nothing is written to the repository."""
        return {"state": index.after_add(self.repositories.at(repo_path), files)}

    def revision(self, repo_path: str, revision: str) -> JsonObject:
        """The commit a branch, a tag, an id or an expression means."""
        repository = self.repositories.at(repo_path)
        commit = "" if revision.startswith("-") else repository.commit(revision)
        if not commit:
            raise No("ABSENT", "no such commit")
        return {"commit": commit}

    def worktree(self, repo_path: str) -> JsonObject:
        """A digest of every file that differs from the index, untracked ones included, ignored ones not."""
        repository = self.repositories.at(repo_path)
        words = ("--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
        rows = [row for row in repository.git("status", *words).split("\0") if row]
        if len(rows) > MOST_CHANGES:
            raise No("TOO_LARGE", f"{len(rows)} files differ")
        paths = [row[3:] for row in rows]
        told = "\n".join(
            f"{p}\0{word}" for p, word in zip(paths, _words(repository, paths), strict=True)
        )
        summed = hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()
        return {"state": f"worktree:{summed}", "paths": [*map(shown, paths)]}

    def in_the_way(self, repo_path: str, to: str) -> JsonObject:
        """What a checkout of that revision would lose for good."""
        return checkout.look(self.repositories.at(repo_path), to)

    def ref_set(self, repo_path: str, ref: str, commit: str, expect: str) -> JsonObject:
        """The ref is at the commit, if it was as expected."""
        repository = self.repositories.at(repo_path)
        return _moved(repository, ref, f"commit:{commit}", expect, "update-ref", ref, commit)

    def ref_delete(self, repo_path: str, ref: str, expect: str) -> JsonObject:
        """There is no such ref, if it was as expected."""
        repository = self.repositories.at(repo_path)
        return _moved(repository, ref, ABSENT, expect, "update-ref", "-d", ref)

    def index_restore(
        self, repo_path: str, base: str, entries: list[str], state: str, expect: str
    ) -> JsonObject:
        """What is staged is what `git_index` gave, if it was as expected."""
        repository = self.repositories.at(repo_path)
        return index.restore(repository, base, entries, state, expect)

    def head_set(self, repo_path: str, to: str, expect: str) -> JsonObject:
        """HEAD alone: neither index nor files."""
        repository = self.repositories.at(repo_path)
        if self._there(repo_path, to, expect):
            return {"changed": False, "state": to}
        kind, _, name = to.partition(":")
        if kind == "ref":
            repository.git("symbolic-ref", "HEAD", name)
            return {"changed": True, "state": to}
        # From commit to commit git compares by itself; no write falls between the look and the move.
        was = [expect.removeprefix("commit:")] if expect.startswith("commit:") else []
        try:
            repository.git("update-ref", "--no-deref", "HEAD", name, *was)
        except GitFailed as error:
            raise No("CONFLICT", f"git does not move HEAD: {error}") from None
        return {"changed": True, "state": to}

    def switch(self, repo_path: str, to: str, expect: str) -> JsonObject:
        """HEAD, index and files; changes that are not committed are carried over, or it is refused."""
        repository = self.repositories.at(repo_path)
        if self._there(repo_path, to, expect):
            return {"changed": False, "state": to}
        kind, _, name = to.partition(":")
        branch = name.removeprefix("refs/heads/")
        words = ("switch", branch) if kind == "ref" else ("switch", "--detach", name)
        try:
            repository.git(*words)
        except GitFailed as error:
            raise No("CONFLICT", f"git does not switch: {error}") from None
        return {"changed": True, "state": to}

    def _there(self, repo_path: str, to: str, expect: str) -> bool:
        if not re.fullmatch(r"ref:refs/heads/[^\s-][^\s]*|commit:[0-9a-f]{40,64}", to):
            raise No("INVALID", "to: ref:refs/heads/<name> or commit:<sha>")
        now = self.head(repo_path)["state"]
        if now not in (to, expect):
            raise conflict("HEAD", expect, now)
        return bool(now == to)


def _object(repository: Repository, ref: str) -> str:
    """What the ref itself points to: of a tag, the tag."""
    return repository.said("rev-parse", "--verify", "--quiet", ref)


def _moved(repository: Repository, ref: str, wanted: str, expect: str, *words: str) -> JsonObject:
    """git compares under its own lock; what we looked at before only makes a better message."""
    found = _object(repository, ref)
    now = f"commit:{found}" if found else ABSENT
    if now == wanted:
        return {"changed": False, "state": wanted}
    if now != expect:
        raise conflict(ref, expect, now)
    old = expect.removeprefix("commit:") if expect != ABSENT else "0" * len(words[-1])
    try:
        repository.git(*words[:1], "--no-deref", *words[1:], old)
    except GitFailed as error:
        raise No("CONFLICT", f"git does not move {ref}: {error}") from None
    return {"changed": True, "state": wanted}


def _words(repository: Repository, paths: list[str]) -> Iterator[str]:
    left = MOST_BYTES
    for path in paths:
        place = os.path.join(repository.tree, path)
        left -= _size(place)
        if left < 0:
            raise No("TOO_LARGE", f"more than {MOST_BYTES} bytes differ")
        yield _word(place)


def _size(place: str) -> int:
    try:
        return os.lstat(place).st_size
    except OSError:
        return 0


def _word(place: str) -> str:
    """Kind, whether it can be run, and content: what git itself keeps of a file."""
    try:
        about = os.lstat(place)
        if stat.S_ISLNK(about.st_mode):
            return f"link {os.readlink(place)}"
        if not stat.S_ISREG(about.st_mode):
            return f"other {stat.S_IFMT(about.st_mode):o}"
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            summed = hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    return f"file {about.st_mode & 0o111 != 0} {summed}"


def git(root: Path) -> list[Operation]:
    """The operations over a directory that exists. Raises `Misconfigured`."""
    return Git(Repositories.open(root)).operations()
