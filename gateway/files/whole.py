"""Files that are there whole or not at all, also after a power cut. It knows bytes and paths."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

OWN: Final = 0o600
SHARED: Final = 0o644
"""What all may read, such as what stands beside a policy."""


def replace(path: Path, data: bytes, mode: int = OWN) -> None:
    """In place of what is there: a reader finds the old file or the new one. Durable on return. Raises `OSError`."""
    with _written(path, data, mode) as draft:
        draft.replace(path)


def make(path: Path, data: bytes) -> None:
    """Where there is none: of two processes that start at once both find one's. Durable on return. Raises `OSError`."""
    with _written(path, data, OWN) as draft, suppress(FileExistsError):
        os.link(draft, path)


@contextmanager
def _written(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A draft beside it. What is done with its name meanwhile is durable afterwards, and it is gone."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWN), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        yield draft
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        draft.unlink(missing_ok=True)
