"""Checkpoints as files in a directory: on another machine's mount, or one that a backup takes away."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

from gateway.evidence.anchoring import Unanchored
from gateway.values import Value


class DirectoryAnchor(Value):
    """`anchoring.Anchor`. A file that is there is never written again."""

    directory: Path

    @property
    def name(self) -> str:
        """See `Anchor`."""
        return str(self.directory)

    async def put(self, name: str, note: str) -> None:
        """See `Anchor`."""
        await asyncio.to_thread(self._put, self.directory / name, note.encode())

    def _put(self, path: Path, note: bytes) -> None:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            try:
                with draft.open("xb") as file:
                    file.write(note)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(draft, path)
            except FileExistsError:
                if path.read_bytes() != note:
                    raise Unanchored(f"{path.name} is there and says something else") from None
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise Unanchored(error.strerror or str(error)) from None
