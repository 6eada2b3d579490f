"""What a checkout would destroy that going back does not restore: looked at before it is made.

In the way: ignored files git writes over unasked; staged changes the other commit already has; directories
with nothing tracked in them that git takes away with the last file it put there; deletions that are not
staged. Not plain: bytes that go through git's filters, and modes of which git keeps only whether a file can
be run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from gateway.undo.companion.base import JsonObject, No
from gateway.undo.companion.gitrun import GitFailed, Repository, shown
from gateway.values import Value

_CONVERTING: Final = ("text", "eol", "crlf", "filter", "ident", "working-tree-encoding")
_PLAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "core.autocrlf": ("", "false"),
    "core.eol": ("",),
    "core.attributesFile": ("",),
    "core.symlinks": ("", "true"),
    "core.fileMode": ("", "true"),
    "submodule.recurse": ("", "false"),
}
"""Settings by which git writes a file as it is kept."""


def look(repository: Repository, to: str) -> JsonObject:
    """`{paths, plain}` of a checkout of that revision. Raises `No` (ABSENT) when there is none."""
    coming = _Coming.of(repository, _tree(repository, to))
    ways = {way for path in coming.new for way in _blocked(repository, path, coming.held)}
    # A file that was deleted and not staged: git takes that for clean, and going back makes it again.
    gone = {path for path in coming.changed & coming.tracked if not _is_there(repository, path)}
    return {
        "paths": sorted(shown(way) for way in ways | coming.absorbed | gone),
        "plain": not _filtered(repository, coming) and _usual(repository, coming.changed),
    }


class _Coming(Value):
    """What is tracked now, and what the checkout changes."""

    tracked: frozenset[str]
    held: frozenset[str]
    """Directories with a tracked file in them."""
    new: frozenset[str]
    changed: frozenset[str]
    absorbed: frozenset[str]
    """Staged, and not the same in both commits: git goes on only if the other one has it already."""

    @classmethod
    def of(cls, repository: Repository, tree: str) -> _Coming:
        tracked = _names(repository, "ls-files")
        new = _names(repository, "ls-tree", "-r", "--name-only", tree) - tracked
        changed = staged = frozenset[str]()
        if repository.commit("HEAD"):
            options = ("--no-renames", "--name-only")
            changed = _names(repository, "diff-tree", "-r", *options, "HEAD", tree)
            staged = _names(repository, "diff-index", "--cached", *options, "HEAD")
        held = frozenset(above for path in tracked for above in _above(path))
        return cls(tracked, held, new, changed | new, staged & changed)


def _names(repository: Repository, command: str, *words: str) -> frozenset[str]:
    return frozenset(name for name in repository.git(command, "-z", *words).split("\0") if name)


def _tree(repository: Repository, to: str) -> str:
    """The tree `git checkout` of this name goes to: a branch before anything else."""
    for name in (f"refs/heads/{to}", to):
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{tree}}")
        if found := repository.said(*words):
            return found.splitlines()[-1]
    raise No("ABSENT", "no such revision")


def _above(path: str) -> Iterator[str]:
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def _is_there(repository: Repository, path: str) -> bool:
    return os.path.lexists(os.path.join(repository.tree, path))


def _blocked(repository: Repository, path: str, held: frozenset[str]) -> Iterator[str]:
    """What already stands where a new file comes: the file itself, or on its way."""
    for above in _above(path):
        if above not in held and _is_there(repository, above):
            yield above
    if _is_there(repository, path):
        yield path


def _filtered(repository: Repository, coming: _Coming) -> bool:
    """Does git change bytes on their way into the working tree, as far as settings say?"""
    listed = coming.tracked | coming.new
    attributes = any(path.rpartition("/")[2] == ".gitattributes" for path in listed)
    odd = any(_told(repository, name) not in plain for name, plain in _PLAIN.items())
    return attributes or odd or _converted(repository, coming.changed)


def _told(repository: Repository, setting: str) -> str:
    """As the server's git is told, by the machine's settings too."""
    with suppress(GitFailed):
        return repository.git(
            "config", "--get", setting, extra={"GIT_CONFIG_NOSYSTEM": "0"}
        ).strip()
    return ""


def _converted(repository: Repository, paths: frozenset[str]) -> bool:
    """Has one of them an attribute that changes its bytes, from whatever file: tracked or not, the machine's too?"""
    words = ("check-attr", "-z", "--stdin", *_CONVERTING)
    told = repository.git(*words, given="".join(f"{path}\0" for path in paths)).split("\0")
    return not {"unspecified", "unset"}.issuperset(told[2::3])


def _usual(repository: Repository, paths: frozenset[str]) -> bool:
    """Have all files and directories the checkout makes anew the modes git gives them?"""
    mask = os.umask(0o077)
    os.umask(mask)
    places = {above for path in paths for above in _above(path)} | paths
    return all(_is_usual(os.path.join(repository.tree, place), mask) for place in places)


def _is_usual(place: str, mask: int) -> bool:
    try:
        mode = os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return True
    bits = stat.S_IMODE(mode)
    if stat.S_ISREG(mode):
        return bits in (0o666 & ~mask, 0o777 & ~mask)
    return stat.S_ISLNK(mode) or bits == 0o777 & ~mask
