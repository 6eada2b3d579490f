"""Scratch repositories for a git server: staged, unstaged and untracked changes, branches, a detached HEAD.

Seen with git itself and by walking the files: every ref, HEAD, the index, and all of the working tree.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from gateway.certify.files import CONTENTS, look
from gateway.certify.moving import moved
from gateway.core.model import JsonObject
from gateway.settings import ServerSettings

NAMES: Final = ("a.txt", "b.bin", "sub/c.txt", "sp ace ü.txt")
BRANCHES: Final = ("main", "side", "topic/one", "new", "HEAD~1", "nowhere")
PERSON: Final = {"user.name": "Ada", "user.email": "ada@example.org", "commit.gpgsign": "false"}


class Ground:
    """`ground.Ground` for `git_add`, `git_commit`, `git_reset`, `git_checkout` and `git_create_branch`."""

    def scratch(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        """A server that is confined to one repository is let go of it; a companion's root is its last word."""
        words = list(settings.command or ())
        if settings.companion_of is not None:
            return moved(settings, words[-1], world)
        for option in ("--repository", "-r"):
            if option in words:
                place = words.index(option)
                del words[place : place + 2]
        undo = {name: str(world) for name in settings.undo}
        update = {"command": tuple(words), "cwd": str(world), "undo": undo}
        return settings.model_copy(update=update)

    def begin(self, world: Path, run: int, rng: Random) -> None:
        """A copy of one small history, and a few changes of somebody's that are not committed."""
        here = world / str(run)
        for old in (world / str(run - 1), here):
            shutil.rmtree(old, ignore_errors=True)
        if not (world / "seed").exists():
            _seed(world / "seed")
        if rng.random() < 0.05:
            here.mkdir()
            _begun(here)
        else:
            shutil.copytree(world / "seed", here, symlinks=True)
        if rng.random() < 0.1:
            _git(here, "checkout", "-q", "--detach", may_fail=True)
        for _ in range(rng.randint(0, 3)):
            _change(here, rng)

    def call(self, world: Path, run: int, rng: Random) -> tuple[str, JsonObject]:
        """A call, and before some of them somebody works on a file."""
        here = world / str(run)
        path: JsonObject = {"repo_path": str(here)}
        tool = rng.choice(
            ("git_add", "git_add", "git_commit", "git_reset", "git_checkout", "git_create_branch")
        )
        if tool == "git_add":
            return tool, {**path, "files": rng.choice([["."], [rng.choice(NAMES)], ["nowhere"]])}
        if tool == "git_commit":
            return tool, {**path, "message": rng.choice(["change", "ü\n\nbody", ""])}
        if tool == "git_checkout":
            return tool, {**path, "branch_name": rng.choice(BRANCHES)}
        if tool == "git_create_branch":
            base = rng.choice([{}, {"base_branch": "side"}, {"base_branch": "nowhere"}])
            return tool, {**path, "branch_name": rng.choice(BRANCHES), **base}
        return tool, path

    def see(self, world: Path, run: int) -> Mapping[str, str]:
        """Each ref, HEAD, index, files."""
        here = world / str(run)
        files = {
            f"file {name}": what
            for name, what in look(here).items()
            if name != ".git" and not name.startswith(".git" + os.sep)
        }
        listed = _git(here, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        refs = dict(line.split(" ", 1) for line in listed)
        return {
            **{f"ref {name}": commit for name, commit in refs.items()},
            "HEAD": (here / ".git" / "HEAD").read_text(),
            "index": _git(here, "ls-files", "--stage", "-z", may_fail=True),
            "unfinished": str((here / ".git" / "MERGE_HEAD").exists()),
            **files,
        }


def _change(here: Path, rng: Random) -> None:
    """Somebody changes a file, takes it away, or stages one."""
    path = here / rng.choice(NAMES)
    if path.exists() and rng.random() < 0.2:
        path.unlink()
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(rng.choice(CONTENTS))
        path.chmod(rng.choice((0o644, 0o755)))
    if rng.random() < 0.4:
        _git(here, "add", "-A", "--", str(path.relative_to(here)), may_fail=True)


def _begun(here: Path) -> None:
    """A repository in which nothing was committed yet."""
    _git(here, "init", "-q", "-b", "main")
    for name, value in PERSON.items():
        _git(here, "config", name, value)


def _seed(here: Path) -> None:
    here.mkdir()
    _begun(here)
    for number, name in enumerate(NAMES[:3]):
        path = here / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(CONTENTS[number + 1])
        _git(here, "add", "-A")
        _git(here, "commit", "-q", "-m", f"add {name}")
        if number == 1:
            _git(here, "branch", "side")
            _git(here, "branch", "topic/one")


def _git(here: Path, *words: str, may_fail: bool = False) -> str:
    ran = subprocess.run(
        ["git", "-C", str(here), "-c", "core.hooksPath=/dev/null", *words],
        capture_output=True,
        check=not may_fail,
        timeout=60,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )
    if ran.returncode:
        # Where nothing was committed yet the server's reset leaves an index git cannot read: seen as that.
        return f"git says {ran.returncode}"
    return ran.stdout.decode("utf-8", "surrogateescape")
