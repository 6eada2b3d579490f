"""Our end of the guard: the small process that ends tool servers if the gateway itself is killed.

It tells stdio_guard.py which process groups there are; what that does with them stands there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final


class Guard:
    """The pipe to it. Started with the first server, ends with the gateway's process."""

    def __init__(self) -> None:
        self._pipe: int | None = None
        self.groups: set[int] = set()
        """Those of the tool servers there are: each is called as its first process."""

    def watch(self, group: int) -> None:
        self.groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self.groups.discard(group)
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        try:
            if self._pipe is None:
                raise BrokenPipeError
            os.write(self._pipe, line.encode())
        except BrokenPipeError:
            self._start()

    def _start(self) -> None:
        """A guard that knows every group. It is in a session of its own: Ctrl-C does not reach it."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None  # whatever fails here: its number is soon another file's
        theirs, ours = os.pipe()
        program = str(Path(__file__).with_name("stdio_guard.py"))
        try:
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", program],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
            )
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._pipe = ours
        os.write(ours, "".join(f"+{group}\n" for group in self.groups).encode())


GUARD: Final = Guard()
