"""What a forked process says."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable


def said_by_a_fork(say: Callable[[], bytes]) -> bytes:
    """What `say` returns there. The child runs nothing else."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Python warns of a fork among threads; this child runs none of their code.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.write(write, say())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        raw = said.read()
    os.waitpid(child, 0)
    return raw
