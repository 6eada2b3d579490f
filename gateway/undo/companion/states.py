"""What is at a place, in one word that two readings of the same thing share: kind, mode and digest."""

from __future__ import annotations

import hashlib
import os
import stat

from gateway.undo.companion.base import ABSENT
from gateway.undo.companion.rooted import Place

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def kind_of(place: Place) -> str:
    """`absent`, `file`, `directory`, `link` or `other`."""
    try:
        about = os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
    except FileNotFoundError:
        return ABSENT
    return _KINDS.get(stat.S_IFMT(about.st_mode), "other")


def file_state(mode: int, data: bytes) -> str:
    """The state of a file with this mode and content."""
    return _file(mode, hashlib.sha256(data).hexdigest())


def state_of(place: Place) -> str:
    """What is there now."""
    try:
        about = os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
        kind = _KINDS.get(stat.S_IFMT(about.st_mode), "other")
        if kind == "file":
            return _digested(place)
        if kind == "directory":
            return f"directory:{stat.S_IMODE(about.st_mode):04o}"
        if kind == "link":
            target = os.readlink(place.name, dir_fd=place.directory)
            return f"link:{hashlib.sha256(os.fsencode(target)).hexdigest()}"
    except FileNotFoundError:
        return ABSENT
    return f"other:{stat.S_IFMT(about.st_mode):o}"


def _digested(place: Place) -> str:
    handle = os.open(
        place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place.directory
    )
    with os.fdopen(handle, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        return _file(mode, hashlib.file_digest(file, "sha256").hexdigest())


def _file(mode: int, digest: str) -> str:
    return f"file:{mode:04o}:{digest}"
