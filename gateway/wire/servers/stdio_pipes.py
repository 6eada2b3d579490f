"""The gateway's ends of a process's pipes: what comes, whether there is room, when one is closed.

They know nothing of lines and nothing of the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Input(asyncio.BaseProtocol):
    """Our end of its standard input."""

    def __init__(self, room: asyncio.Event, closed: Callable[[], None]) -> None:
        """`room`: set while there is some."""
        self._room = room
        self._closed = closed
        self.lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._closed()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()


class Output(asyncio.Protocol):
    """Our end of its standard output or error."""

    def __init__(self, heard: Callable[[bytes], None], closed: Callable[[], None]) -> None:
        self._heard = heard
        self._closed = closed

    def data_received(self, data: bytes) -> None:
        self._heard(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed()
