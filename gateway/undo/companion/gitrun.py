"""One git command in one repository below a root, with nothing the repository could run of its own.

Hooks, file system monitors, pagers, editors and prompts are off; the environment is ours. It knows no MCP tool.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.errors import Misconfigured
from gateway.undo.companion.base import No
from gateway.values import Value

SECONDS: Final = 60
_QUIET: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.quotePath=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
)


class GitFailed(Exception):
    """git said no. The message is its own, shortened."""


class Repository(Value):
    """A working tree and its directory of refs and objects, both below the root."""

    tree: Path
    directory: Path

    def git(self, *words: str, given: str = "", extra: Mapping[str, str] | None = None) -> str:
        """Its output. Raises `GitFailed`, and `No` when it takes too long."""
        options = [word for setting in _QUIET for word in ("-c", setting)]
        try:
            ran = subprocess.run(
                ["git", *options, *words],
                cwd=self.tree,
                input=given.encode("utf-8", "surrogateescape"),
                capture_output=True,
                env={**_environment(), **(extra or {})},
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise No("FAILED", f"git {words[0]} took longer than {SECONDS} s") from None
        if ran.returncode:
            raise GitFailed(ran.stderr.decode(errors="replace").strip()[:300])
        return ran.stdout.decode("utf-8", "surrogateescape")

    def said(self, *words: str) -> str:
        """The same without the end of the line; empty where git says no."""
        try:
            return self.git(*words).strip()
        except GitFailed:
            return ""

    def commit(self, name: str) -> str:
        """The commit a name means now; empty for none."""
        return self.said("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def shown(path: str) -> str:
    """A path as git gives it, where only UTF-8 may stand."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    """No variable of git's own is taken over: those could name another repository."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    fixed = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_EDITOR": "true",
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    return {**kept, **fixed}


class Repositories(Value):
    """Every repository below a root, the root itself included."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> Repositories:
        """Raises `Misconfigured` when there is no such directory."""
        real = Path(os.path.realpath(root))
        if not real.is_dir():
            raise Misconfigured(f"{root}: no such directory")
        return cls(real)

    def at(self, path: str) -> Repository:
        """The repository whose working tree is exactly this directory. Raises `No`."""
        if "\0" in path or ".." in path.split("/"):
            raise No("OUTSIDE", "repo_path has no '..'")
        place = Path(os.path.realpath(self.root / path))
        self._inside(place)
        if not place.is_dir():
            raise No("ABSENT", "no such directory")
        asked = ("rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        try:
            lines = Repository(place, place).git(*asked).splitlines()
        except GitFailed:
            raise No("OTHER", "not a repository") from None
        top, directory, common = (Path(os.path.realpath(place / line)) for line in lines)
        if top != place:
            raise No("OTHER", "not the top of a working tree")
        self._inside(directory)
        self._inside(common)
        return Repository(place, directory)

    def _inside(self, place: Path) -> None:
        if place != self.root and self.root not in place.parents:
            raise No("OUTSIDE", "not below the root")
