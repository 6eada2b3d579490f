"""Scratch folders for a file server: rude contents, nested directories, and every way a call can go.

Seen by walking them: kind, permission bits and bytes of everything there is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from gateway.certify.moving import moved
from gateway.core.model import JsonObject
from gateway.settings import ServerSettings

NAMES: Final = ("a.txt", "b.bin", "sub/c.txt", "sub/deep/d", "new/e.txt", "sp ace ü.txt")
FOLDERS: Final = ("sub", "sub/deep", "new", "new/er/est", "a.txt", ".")
CONTENTS: Final = (
    b"",
    b"one\ntwo\nthree\n",
    b"one\r\ntwo\r\nthree\r\n",
    b"\xef\xbb\xbfone\ntwo\n",
    b"nul\0one\n",
    b"caf\xe9 one\n",
    b"\x89PNG\r\n\x1a\n\xff\xfe one",
    "\U0001f600 one \u2028 two\n".encode(),
    b"no newline at the end: one",
    b"\tone\n    two\n",
)
MODES: Final = (0o644, 0o600, 0o755, 0o640)
WORDS: Final = ("one", "two", "three", "one\ntwo", "nowhere", "  two", "\U0001f600")


class Ground:
    """`ground.Ground` for `write_file`, `edit_file`, `move_file` and `create_directory`."""

    def scratch(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        """The root is the command's last word."""
        return moved(settings, (settings.command or ("",))[-1], world)

    def begin(self, world: Path, run: int, rng: Random) -> None:
        """Some of the names, with any content and mode."""
        here = world / str(run)
        for old in (world / str(run - 1), here):
            shutil.rmtree(old, ignore_errors=True)
        here.mkdir()
        for name in NAMES:
            if rng.random() < 0.6:
                path = here / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(rng.choice(CONTENTS))
                path.chmod(rng.choice(MODES))

    def call(self, world: Path, run: int, rng: Random) -> tuple[str, JsonObject]:
        """Any tool, at any of the names: many of these do nothing, or fail."""
        here = world / str(run)
        path = str(here / rng.choice(NAMES))
        tool = rng.choice(
            ("write_file", "write_file", "edit_file", "move_file", "create_directory")
        )
        if tool == "write_file":
            return tool, {"path": path, "content": _text(rng)}
        if tool == "edit_file":
            edits = [
                {"oldText": rng.choice(WORDS), "newText": rng.choice(WORDS)}
                for _ in range(rng.randint(1, 2))
            ]
            return tool, {"path": path, "edits": edits, "dryRun": rng.random() < 0.1}
        if tool == "move_file":
            other = str(here / rng.choice((*NAMES, *FOLDERS)))
            return tool, {"source": rng.choice((path, other)), "destination": other}
        return tool, {"path": str(here / rng.choice(FOLDERS))}

    def see(self, world: Path, run: int) -> Mapping[str, str]:
        """All of this run's folder."""
        return look(world / str(run))


def look(top: Path) -> dict[str, str]:
    """Everything below, by its path: kind, mode and digest. A name that is not UTF-8 is kept as it is."""
    seen: dict[str, str] = {}
    for folder, folders, names in os.walk(top):
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            seen[os.path.relpath(path, top)] = _one(path)
    return seen


def _one(path: str) -> str:
    about = os.lstat(path)
    mode = f"{stat.S_IMODE(about.st_mode):o}"
    if stat.S_ISLNK(about.st_mode):
        return f"link {os.readlink(path)}"
    if stat.S_ISREG(about.st_mode):
        return f"file {mode} {hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
    return f"{stat.S_IFMT(about.st_mode):o} {mode}"


def _text(rng: Random) -> str:
    """What a JSON string can carry, and agents send."""
    return rng.choice(CONTENTS).decode("utf-8", "ignore")
