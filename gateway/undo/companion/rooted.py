"""Places below one directory, reached step by step without ever following a symbolic link.

Every step is opened relative to the one before it, so nothing a writer does to the names in between can
lead outside. The root itself is opened by its name each time: where another directory was put in its place, that one
is looked at, as a tool server does. `..` is refused, not resolved. It knows nothing of what is in a place.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import Misconfigured
from gateway.undo.companion.base import No
from gateway.values import Value

_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Place(Value):
    """A name in an open directory."""

    directory: int
    name: str

    def beside(self, name: str) -> Place:
        """Another name in the same directory."""
        return Place(self.directory, name)

    def aside(self) -> Place:
        """A name of ours in it, for while names are changed."""
        return self.beside(f".bulkhead-{secrets.token_hex(8)}")


class Root(Value):
    """A directory and the spellings it is known by."""

    spellings: tuple[str, ...]
    """The first has no link in it."""

    @classmethod
    def open(cls, path: Path) -> Root:
        """Raises `Misconfigured` when there is no such directory."""
        real = os.path.realpath(path)
        try:
            os.close(os.open(real, _STEP))
        except OSError as error:
            raise Misconfigured(f"{path}: {error.strerror}") from None
        return cls(tuple(dict.fromkeys((real, os.path.abspath(path)))))

    @contextmanager
    def itself(self) -> Iterator[int]:
        """The root, open. Raises `No` (FAILED) when it is gone: nobody knows then what is below it."""
        try:
            held = os.open(self.spellings[0], _STEP)
        except OSError as error:
            raise No("FAILED", f"the root is not there any more: {error.strerror}") from None
        try:
            yield held
        finally:
            os.close(held)

    def parts(self, path: str) -> list[str]:
        """The steps from the root. Raises `No` for the root itself and anything not below it."""
        if "\0" in path:
            raise No("INVALID", "a path has no NUL")
        steps = [step for step in self._inside(path).split("/") if step not in ("", ".")]
        if ".." in steps:
            raise No("OUTSIDE", "a path has no '..'")
        if not steps:
            raise No("OTHER", "the root itself")
        return steps

    def _inside(self, path: str) -> str:
        if not path.startswith("/"):
            return path
        for spelling in self.spellings:
            if path == spelling or path.startswith(spelling.rstrip("/") + "/"):
                return path[len(spelling) :]
        raise No("OUTSIDE", "not below the root")

    @contextmanager
    def place(self, path: str) -> Iterator[Place]:
        """The place, its directory open. Raises `No`: ABSENT without that directory, OTHER for a link or a
        file on the way."""
        *way, name = self.parts(path)
        with self.itself() as root:
            held = os.dup(root)
        try:
            for step in way:
                held = _deeper(held, step)
            yield Place(held, name)
        finally:
            os.close(held)


def _deeper(held: int, step: str) -> int:
    """The next directory; the one before it is closed once that is open."""
    try:
        deeper = os.open(step, _STEP, dir_fd=held)
    except FileNotFoundError:
        raise No("ABSENT", "a directory on the way is not there") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise No("OTHER", "on the way is something that is not a directory") from None
        raise
    os.close(held)
    return deeper
