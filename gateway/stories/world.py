"""A story's world: plain files, git repositories, SQLite databases. Made fresh, looked at, asked about.

It knows no gateway: what it sees is what is on the disk, whoever did it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from gateway.errors import Misconfigured
from gateway.stories.plan import Repository, WorldClaim, WorldPlan
from gateway.values import Value, field

_GIT_ENVIRONMENT: Final = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_DATE": "2026-11-24T09:00:00Z",
    "GIT_COMMITTER_DATE": "2026-11-24T09:00:00Z",
}


class RepositoryLook(Value):
    """A repository as it is: where HEAD is, every ref, the index and the work tree against HEAD."""

    branch: str
    head: str
    message: str
    refs: Mapping[str, str]
    status: tuple[str, ...]


class Look(Value):
    """Everything in the world at one moment. Two looks are equal if and only if nothing changed."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    repositories: Mapping[str, RepositoryLook] = field(default_factory=dict)
    databases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The SQL that would make each database again."""


class World:
    """One world, in a directory of its own."""

    def __init__(self, root: Path, plan: WorldPlan) -> None:
        self.root = root
        self._repositories = tuple(plan.repositories)
        self._databases = tuple(plan.databases)
        root.mkdir(parents=True)
        for name, repository in plan.repositories.items():
            _make_repository(root / name, repository)
        for name, sql in plan.databases.items():
            _make_database(root / name, sql)
        _write_files(root, plan.files)

    def write(self, files: Mapping[str, str]) -> None:
        """The world moves on by itself."""
        _write_files(self.root, files)

    def look(self) -> Look:
        """Everything there is, now."""
        return Look(
            dict(self._files()),
            {name: _look_at(self.root / name) for name in self._repositories},
            {name: _dump(self.root / name) for name in self._databases},
        )

    def rows(self, database: str, table: str) -> tuple[tuple[Any, ...], ...] | None:
        """All rows of a table; None when there is no such table."""
        try:
            with closing(_read_only(self.root / database)) as connection:
                return tuple(connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid'))
        except sqlite3.OperationalError:
            return None

    def _files(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root)
            if ".git" in name.parts or path.name.startswith(self._databases or ("\0",)):
                continue
            if path.is_symlink():
                yield str(name), b"-> " + os.fsencode(os.readlink(path))
            elif path.is_file():
                yield str(name), path.read_bytes()


def untrue(claim: WorldClaim, world: World, look: Look, before: Look) -> list[str]:
    """What is not so of a claim, in words; empty when all of it is."""
    if claim.unchanged:
        return changes(before, look)
    if claim.file is not None:
        return _untrue_of_file(claim, look.files.get(claim.file))
    if claim.database is not None:
        return _untrue_of_rows(claim, world)
    assert claim.repository is not None
    return _untrue_of_repository(claim, look.repositories[claim.repository])


def changes(before: Look, now: Look) -> list[str]:
    """What is different, one line each."""
    lines = [*_changed_keys("", before.files, now.files)]
    for name, repository in now.repositories.items():
        old = before.repositories[name]
        lines += _changed_keys(f"{name}: ", old.refs, repository.refs)
        if (old.branch, old.head) != (repository.branch, repository.head):
            lines.append(f"{name}: HEAD is {repository.branch} at {repository.message!r}")
        if old.status != repository.status:
            status = ", ".join(line.strip() for line in repository.status) or "clean"
            lines.append(f"{name}: git status is {status}")
    for name, sql in now.databases.items():
        lines += [f"{name}: + {line}" for line in sql if line not in before.databases[name]]
        lines += [f"{name}: - {line}" for line in before.databases[name] if line not in sql]
    return lines


def _changed_keys(
    prefix: str, before: Mapping[str, object], now: Mapping[str, object]
) -> Iterator[str]:
    yield from (f"{prefix}{key} is new" for key in now if key not in before)
    yield from (f"{prefix}{key} is gone" for key in before if key not in now)
    yield from (f"{prefix}{key} changed" for key in now if before.get(key, now[key]) != now[key])


def _untrue_of_file(claim: WorldClaim, content: bytes | None) -> list[str]:
    if claim.gone:
        return [] if content is None else [f"{claim.file} is still there"]
    if content is None:
        return [f"{claim.file} is not there"]
    text = content.decode("utf-8", "replace")
    if claim.text is not None and text != claim.text:
        return [f"{claim.file} is {text!r}"]
    if claim.has is not None and claim.has not in text:
        return [f"{claim.file} has no {claim.has!r}"]
    return []


def _untrue_of_repository(claim: WorldClaim, look: RepositoryLook) -> list[str]:
    branches = sorted(ref.removeprefix("refs/heads/") for ref in look.refs if "/heads/" in ref)
    facts: list[tuple[str, Any, Any]] = [
        ("branch", claim.branch, look.branch),
        ("head", claim.head, look.message),
        ("branches", claim.branches and sorted(claim.branches), branches),
        ("status", claim.status, look.status),
    ]
    return [
        f"{claim.repository}: {name} is {is_so!r}, not {said!r}"
        for name, said, is_so in facts
        if said is not None and said != is_so
    ]


def _untrue_of_rows(claim: WorldClaim, world: World) -> list[str]:
    assert claim.database is not None
    problems = []
    for table, rows in (claim.rows or {}).items():
        found = world.rows(claim.database, table)
        if found != rows:
            problems.append(f"{claim.database}: {table} is {found!r}, not {rows!r}")
    return problems


def _write_files(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        if not path.resolve().is_relative_to(root.resolve()):
            raise ValueError(f"{name} lies outside the world")
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.draft")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)


def _make_repository(root: Path, plan: Repository) -> None:
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "config", "user.name", "Story")
    git(root, "config", "user.email", "story@example.invalid")
    git(root, "config", "commit.gpgsign", "false")
    for commit in plan.commits:
        _write_files(root, commit.files)
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", commit.message)
    for branch in plan.branches:
        git(root, "branch", branch)


def _make_database(path: Path, sql: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
        connection.commit()


def _look_at(root: Path) -> RepositoryLook:
    refs = git(root, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    head, _, message = git(root, "log", "-1", "--format=%H%n%s").strip().partition("\n")
    return RepositoryLook(
        branch=git(root, "rev-parse", "--abbrev-ref", "HEAD").strip(),
        head=head,
        message=message,
        refs=dict(line.split(" ", 1) for line in refs),
        status=tuple(git(root, "status", "--porcelain", "--untracked-files=all").splitlines()),
    )


def _dump(path: Path) -> tuple[str, ...]:
    with closing(_read_only(path)) as database:
        return tuple(database.iterdump())


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def git(root: Path, *words: str) -> str:
    """What git prints. It takes no lock it does not need: looking must not disturb who is at work.

    Raises `Misconfigured` where there is no git.
    """
    if shutil.which("git") is None:
        raise Misconfigured("this story's world has a git repository, and there is no git on PATH")
    done = subprocess.run(
        ["git", "--no-optional-locks", *words],
        cwd=root,
        env=os.environ | _GIT_ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout
