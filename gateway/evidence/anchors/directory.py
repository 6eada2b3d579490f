"""Checkpoints as files in a directory: on another machine's mount, or one that a backup takes away."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gateway.evidence.anchoring import Unanchored


class DirectoryAnchor:
    """`anchoring.Anchor`. A file that is there is never written again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def name(self) -> str:
        """See `Anchor`."""
        return str(self._directory)

    def put(self, name: str, note: str) -> None:
        """See `Anchor`."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            draft = self._directory / f".{name}.{secrets.token_hex(4)}"
            with draft.open("x") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, self._directory / name)
            except FileExistsError:
                if (self._directory / name).read_text() != note:
                    raise Unanchored(f"{name} is there and says something else") from None
            finally:
                draft.unlink()
        except OSError as error:
            raise Unanchored(error.strerror or str(error)) from None
