"""A story's world in words: how it is made before the story, and what must be so in it.

Pure shapes of a story.yaml; world.py makes and looks.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from gateway.config.yamlfile import Strict


class Commit(Strict):
    """One commit of a repository's beginning: a message and whole files."""

    message: str
    files: dict[str, str]


class Repository(Strict):
    """A git repository in the world, on branch `main`, made of these commits in order."""

    commits: tuple[Commit, ...] = Field(min_length=1)
    branches: tuple[str, ...] = ()
    """Further branches, made at the last commit."""


class WorldPlan(Strict):
    """The world before. Paths are relative to the world's directory."""

    files: dict[str, str] = Field(default_factory=dict)
    """Written last: a file inside a repository is an untracked one."""
    repositories: dict[str, Repository] = Field(default_factory=dict)
    databases: dict[str, str] = Field(default_factory=dict)
    """SQLite file -> the SQL that makes it."""


class WorldClaim(Strict):
    """One thing that must be so in the world. Exactly one of file, repository, database, unchanged."""

    file: str | None = None
    text: str | None = Field(default=None, alias="is")
    has: str | None = None
    gone: bool = False

    repository: str | None = None
    branch: str | None = None
    branches: tuple[str, ...] | None = None
    head: str | None = None
    """The message of the newest commit."""
    status: tuple[str, ...] | None = None
    """The lines of `git status --porcelain`; an empty list means clean."""

    database: str | None = None
    rows: dict[str, tuple[tuple[Any, ...], ...]] | None = None
    """Table -> its rows, all of them, in order of rowid."""

    unchanged: bool = False
    """Everything is as it was when the story began."""

    @model_validator(mode="after")
    def _about_one_thing(self) -> WorldClaim:
        said = self.model_fields_set
        subjects = {
            "file": {"text", "has", "gone"},
            "repository": {"branch", "branches", "head", "status"},
            "database": {"rows"},
            "unchanged": set(),
        }
        named = said & subjects.keys()
        if len(named) != 1:
            raise ValueError("a claim is about one of file, repository, database, unchanged")
        subject = named.pop()
        if not said - {subject} <= subjects[subject] or (subjects[subject] and len(said) == 1):
            raise ValueError(
                f"a claim about {subject} says: {', '.join(sorted(subjects[subject]))}"
            )
        return self
