"""Where exported events go, and how far a place has them: a file, or an HTTP collector.

A sink itself says after which line to go on, so an export that was cut off misses nothing. A file never
has an event twice; a collector may, after a reply was lost: it tells by `metadata.sequence`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import httpx

from gateway.errors import Misconfigured, Where
from gateway.files import whole
from gateway.values import Value

Event = dict[str, Any]
LONGEST: Final = 1024 * 1024
"""Bytes an event can have: where a file's last line is looked for."""
BEGINS: Final = b'{"activity_id":'
"""How every event begins (ocsf.py): so a file that is nothing but half an event is told from any other."""


class Reached(NamedTuple):
    """The last line a place has."""

    number: int
    """0 for none."""
    uid: str = ""
    """Of its event; empty where that is not on record."""


NOTHING: Final = Reached(0)


class Undelivered(Exception):
    """The sink did not take the events. The same ones are to be tried again."""


class Sink(Protocol):
    """One place events go to."""

    def reached(self) -> Reached:
        """The last line it has. Raises `Misconfigured`."""
        ...

    def deliver(self, events: Sequence[Event]) -> None:
        """It has these, durably, on return. Raises `Undelivered`."""
        ...


class FileSink:
    """JSON lines appended to a file. How far it came stands in its last line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def reached(self) -> Reached:
        """See `Sink`. A line that was only half written is taken off, if the file is one of events."""
        try:
            with self._path.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - LONGEST, 0))
                whole, end, torn = file.read().rpartition(b"\n")
                reached = _last(whole.rpartition(b"\n")[2] if end else None, torn)
                file.truncate(size - len(torn))
        except FileNotFoundError:
            return NOTHING
        except OSError as error:
            raise Misconfigured(f"{self._path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise Misconfigured("not a file of exported events", Where(str(self._path))) from None
        return reached

    def deliver(self, events: Sequence[Event]) -> None:
        """See `Sink`."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with open(descriptor, "ab") as file:
                file.write(_lines(events))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Undelivered(f"{self._path}: {error.strerror}") from None


class HttpSink(Value):
    """JSON lines posted to a collector. How far it came is kept in a file of ours."""

    url: str
    cursor: Path
    client: httpx.Client

    def reached(self) -> Reached:
        """See `Sink`."""
        try:
            number, _, uid = self.cursor.read_text("ascii").partition(" ")
            return Reached(int(number), uid)
        except FileNotFoundError:
            return NOTHING
        except ValueError:
            raise Misconfigured("not a cursor", Where(str(self.cursor))) from None

    def deliver(self, events: Sequence[Event]) -> None:
        """See `Sink`. Any answer but 2xx is a no. Its status is all that counts: what it says besides may never end."""
        headers = {"Content-Type": "application/x-ndjson"}
        try:
            # Left with the answer not read: the connection is closed, and the next events go over a new one.
            with self.client.stream(
                "POST", self.url, content=_lines(events), headers=headers
            ) as answer:
                pass
        except httpx.HTTPError as error:
            raise Undelivered(f"{self.url}: {type(error).__name__}: {error}") from None
        if not answer.is_success:
            raise Undelivered(f"{self.url}: status {answer.status_code}")
        last = _of(events[-1])
        whole.replace(self.cursor, f"{last.number} {last.uid}".encode("ascii"))


def _last(last: bytes | None, torn: bytes) -> Reached:
    """Of a file's last whole line, if it has one, and what stands after it. Raises `ValueError`, `KeyError`,
    `TypeError` for what this never wrote: nothing of it is to be taken off."""
    if last is not None:
        return _of(json.loads(last))
    if not BEGINS.startswith(torn[: len(BEGINS)]):
        raise ValueError("another kind of file")
    return NOTHING


def _of(event: Event) -> Reached:
    said = event["metadata"]
    return Reached(int(said["sequence"]), str(said.get("uid", "")))


def _lines(events: Sequence[Event]) -> bytes:
    return b"".join(json.dumps(event, separators=(",", ":")).encode() + b"\n" for event in events)
