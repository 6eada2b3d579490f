"""What is staged, as differences from a commit, and putting it back exactly.

An index with marks of its own (assume-unchanged, skip-worktree, intent-to-add, an unfinished merge) is not
described in full by its entries, so it is not described at all: `OTHER`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from gateway.undo.companion.base import JsonObject, No, conflict
from gateway.undo.companion.gitrun import GitFailed, Repository

_MARKED: Final = re.compile(r"^  size: \d+\tflags: (?!0$)[0-9a-f]+$", re.MULTILINE)
_STAGED: Final = re.compile(r"^:\d{6} (\d{6}) [0-9a-f]+ ([0-9a-f]+) [A-Z]\d*\t(.*)$")
_EMPTY: Final = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
"""The tree with nothing in it, in either hash."""


def read(repository: Repository) -> JsonObject:
    """`{state, base, entries}`: entries are lines for `update-index --index-info`, on top of base."""
    state = digest(repository)
    base = _base(repository)
    raw = repository.git("diff-index", "--cached", "--raw", "--no-renames", "--no-abbrev", base)
    return {"state": state, "base": base, "entries": [_entry(line) for line in raw.splitlines()]}


def digest(repository: Repository, extra: dict[str, str] | None = None) -> str:
    """The state of the index: all of its entries, nothing of the working tree. Raises `No` (OTHER)."""
    listed = repository.git("ls-files", "--stage", "--debug", extra=extra)
    if _MARKED.search(listed):
        raise No("OTHER", "the index has entries with marks of their own, or an unfinished merge")
    entries = repository.git("ls-files", "--stage", extra=extra)
    if re.search(r"^\d{6} [0-9a-f]+ [1-3]\t", entries, re.MULTILINE):
        raise No("OTHER", "a merge is unfinished")
    return f"index:{hashlib.sha256(entries.encode('utf-8', 'surrogateescape')).hexdigest()}"


def restore(
    repository: Repository, base: str, entries: list[str], state: str, expect: str
) -> JsonObject:
    """The index is base and entries, if it was as expected; the working tree is not touched.

    It is made beside, compared with the state it must have, and taken in under git's own lock."""
    path = repository.directory / "index"
    with _Lock(path) as lock:
        now = digest(repository)
        if now == state:
            return {"changed": False, "state": state}
        if now != expect:
            raise conflict("the index", expect, now)
        lock.fill(repository, base, entries, state)
        lock.commit()
    return {"changed": True, "state": state}


def after_add(repository: Repository, files: list[str]) -> str:
    """The state `git add -- FILES` would leave, tried beside: neither index nor objects are written to."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-", dir=_scratch(repository)) as folder:
        objects = repository.git("rev-parse", "--git-path", "objects").strip()
        beside = {
            "GIT_INDEX_FILE": os.path.join(folder, "index"),
            "GIT_OBJECT_DIRECTORY": folder,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.path.join(repository.tree, objects),
        }
        real = repository.directory / "index"
        if real.exists():
            shutil.copyfile(real, beside["GIT_INDEX_FILE"])
        try:
            repository.git("add", "--", *files, extra=beside)
        except GitFailed:
            raise No("OTHER", "git does not add these") from None
        return digest(repository, beside)


def _scratch(repository: Repository) -> str:
    """Where a container lets nobody write to /tmp, git's own directory: git minds nothing it does not know there."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return str(repository.directory)


class _Lock:
    """`index.lock`: while it is held git writes no index."""

    def __init__(self, index: Path) -> None:
        self._index = index
        self._path = index.with_name("index.lock")
        self._made = index.with_name(f"index.bulkhead-{os.getpid()}")

    def __enter__(self) -> _Lock:
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            raise No("CONFLICT", "git is at work in this repository: index.lock is there") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._made.unlink(missing_ok=True)
        self._made.with_name(f"{self._made.name}.lock").unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def fill(self, repository: Repository, base: str, entries: list[str], state: str) -> None:
        """The index as it shall be, beside."""
        beside = {"GIT_INDEX_FILE": str(self._made)}
        try:
            repository.git("read-tree", base, extra=beside)
            lines = "".join(f"{entry}\n" for entry in entries)
            repository.git("update-index", "--index-info", given=lines, extra=beside)
        except GitFailed as error:
            raise No("FAILED", f"the index cannot be made again: {error}") from None
        made = digest(repository, beside)
        if made != state:
            raise No("FAILED", f"the index made again is {made}, not {state}; nothing was changed")

    def commit(self) -> None:
        """Durable, then in place; the lock's name goes with it."""
        with self._made.open("rb") as made:
            os.fsync(made.fileno())
        os.replace(self._made, self._index)


def _base(repository: Repository) -> str:
    if commit := repository.commit("HEAD"):
        return commit
    kind = repository.git("rev-parse", "--show-object-format").strip()
    return _EMPTY[64 if kind == "sha256" else 40]


def _entry(line: str) -> str:
    """`mode sha<TAB>path`; mode 0 takes the path away. Paths stay as git quotes them."""
    found = _STAGED.match(line)
    if found is None:
        raise No("OTHER", "a merge is unfinished")
    mode, sha, path = found.groups()
    return f"{'0' if mode == '000000' else mode} {sha}\t{path}"
