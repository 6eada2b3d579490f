"""The companion of a file server: bytes and modes put back, created things taken away, confined to one root.

    file_read(path)                                -> {state, mode, bytes_b64}     ABSENT, OTHER, TOO_LARGE
    file_state(path)                               -> {state, kind}                never ABSENT: kind says it
    file_put(path, bytes_b64, mode, expect)        -> {changed, state}             CONFLICT
    file_delete(path, expect)                      -> {changed, state}             CONFLICT
    file_move(source, destination, expect)         -> {changed, state}             CONFLICT, never onto anything
    directory_make(path, mode)                     -> {changed, state}
    directory_remove(path, expect)                 -> {changed, state}             CONFLICT unless empty

Paths: below the root, relative or absolute. A state is `absent`, `file:<mode>:<sha256>`, `directory:<mode>`,
`link:<sha256>` or `other:<type>`. A write is done by changing names, then looking at what was there: if
that was not as expected it is put back, so another writer's bytes are never lost in between.
"""

from __future__ import annotations

import base64
import binascii
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.undo.companion import names
from gateway.undo.companion.base import ABSENT, STATE, TEXT, JsonObject, No, Operation, conflict
from gateway.undo.companion.rooted import Place, Root
from gateway.undo.companion.states import file_state, kind_of, state_of
from gateway.values import Value

MAX_BYTES: Final = 8 * 1024 * 1024
MODE: Final[JsonObject] = {"type": "string", "pattern": "^[0-7]{4}$"}
"""Permission bits, octal: `0644`."""
B64: Final[JsonObject] = {"type": "string", "contentEncoding": "base64"}


class Files(Value):
    """The operations, over one root."""

    root: Root
    max_bytes: int = MAX_BYTES

    def operations(self) -> list[Operation]:
        """What it serves."""
        path, write = {"path": TEXT}, {"path": TEXT, "expect": STATE}
        put = {"path": TEXT, "bytes_b64": B64, "mode": MODE, "expect": STATE}
        move = {"source": TEXT, "destination": TEXT, "expect": STATE}
        make = {"path": TEXT, "mode": MODE}
        return [
            Operation("file_read", "The exact bytes of a file.", path, self.read, "read"),
            Operation("file_state", "What is there, in one word.", path, self.state, "read"),
            Operation("file_put", "Put a file's bytes and mode back.", put, self.put),
            Operation("file_delete", "Take a file away.", write, self.delete),
            Operation("file_move", "Move back, never onto anything.", move, self.move),
            Operation("directory_make", "Make a directory again.", make, self.make),
            Operation("directory_remove", "Take an empty directory away.", write, self.remove),
        ]

    def read(self, path: str) -> JsonObject:
        """All of a regular file."""
        with self.root.place(path) as place:
            found = kind_of(place)
            if found == ABSENT:
                raise No("ABSENT", "nothing there")
            if found != "file":
                raise No("OTHER", f"a {found}")
            data, mode = _bytes(place, self.max_bytes)
        return {
            "state": file_state(mode, data),
            "mode": f"{mode:04o}",
            "bytes_b64": base64.b64encode(data).decode(),
        }

    def state(self, path: str) -> JsonObject:
        """What is there: also for what cannot be read, and for nothing."""
        try:
            with self.root.place(path) as place:
                found = state_of(place)
        except No as no:
            if no.code != "ABSENT":
                raise
            found = ABSENT
        return {"state": found, "kind": found.partition(":")[0]}

    def put(self, path: str, bytes_b64: str, mode: str, expect: str) -> JsonObject:
        """The file is these bytes and this mode, if it was as expected."""
        data, bits = _decoded(bytes_b64), int(mode, 8)
        wanted = file_state(bits, data)
        with self.root.place(path) as place:
            if _settled(place, wanted, expect):
                return _told(wanted, False)
            with _written(place, data, bits) as fresh:
                if expect == ABSENT:
                    _onto_nothing(fresh, place, expect)
                else:
                    _in_exchange(fresh, place, expect, wanted)
        return _told(wanted, True)

    def delete(self, path: str, expect: str) -> JsonObject:
        """There is nothing, if it was as expected."""
        if not expect.startswith("file:") and expect != ABSENT:
            raise No("INVALID", "expect: only files are deleted")
        with self.root.place(path) as place:
            if _settled(place, ABSENT, expect):
                return _told(ABSENT, False)
            aside = place.aside()
            names.rename_onto_nothing(place, aside)
            found = state_of(aside)
            if found != expect:
                _back(aside, place)
                raise conflict(path, expect, found)
            os.unlink(aside.name, dir_fd=aside.directory)
            os.fsync(place.directory)
        return _told(ABSENT, True)

    def move(self, source: str, destination: str, expect: str) -> JsonObject:
        """What is at `source` is at `destination`, where nothing was."""
        with self.root.place(source) as old, self.root.place(destination) as new:
            found, there = state_of(old), state_of(new)
            if found == ABSENT and there == expect:
                return _told(there, False)
            if found != expect or expect == ABSENT:
                raise conflict(source, expect, found)
            if there != ABSENT:
                raise conflict(destination, ABSENT, there)
            try:
                names.rename_onto_nothing(old, new)
            except FileExistsError:
                raise conflict(destination, ABSENT, state_of(new)) from None
            os.fsync(old.directory)
            os.fsync(new.directory)
        return _told(expect, True)

    def make(self, path: str, mode: str) -> JsonObject:
        """There is a directory with this mode."""
        bits = int(mode, 8)
        wanted = f"directory:{bits:04o}"
        with self.root.place(path) as place:
            if _settled(place, wanted, ABSENT):
                return _told(wanted, False)
            os.mkdir(place.name, 0o700, dir_fd=place.directory)
            os.chmod(place.name, bits, dir_fd=place.directory)
        return _told(wanted, True)

    def remove(self, path: str, expect: str) -> JsonObject:
        """There is no directory, if it was empty."""
        with self.root.place(path) as place:
            if _settled(place, ABSENT, expect):
                return _told(ABSENT, False)
            if not expect.startswith("directory:"):
                raise No("INVALID", "expect: only directories are removed")
            try:
                os.rmdir(place.name, dir_fd=place.directory)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                raise No("CONFLICT", f"{path} is not empty") from None
        return _told(ABSENT, True)


def _told(now: str, changed: bool) -> JsonObject:
    return {"changed": changed, "state": now}


def _settled(place: Place, wanted: str, expect: str) -> bool:
    """True when there is nothing left to do. Raises `No` when it is neither as wanted nor as expected."""
    found = state_of(place)
    if found == wanted:
        return True
    if found != expect:
        raise conflict(place.name, expect, found)
    return False


def _bytes(place: Place, most: int) -> tuple[bytes, int]:
    """The content and the mode of one and the same file."""
    handle = os.open(
        place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place.directory
    )
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise No("OTHER", "not a file")
        if about.st_size > most:
            raise No("TOO_LARGE", f"{about.st_size} bytes, more than {most}")
        data = file.read(most + 1)
    if len(data) > most:
        raise No("TOO_LARGE", f"more than {most} bytes")
    return data, stat.S_IMODE(about.st_mode)


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise No("INVALID", f"bytes_b64: {error}") from None
    if len(data) > MAX_BYTES:
        raise No("TOO_LARGE", f"{len(data)} bytes, more than {MAX_BYTES}")
    return data


@contextmanager
def _written(place: Place, data: bytes, mode: int) -> Iterator[Place]:
    """A durable file beside the place, gone at the end unless its name was changed."""
    fresh = place.aside()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    handle = os.open(fresh.name, flags, 0o600, dir_fd=fresh.directory)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        yield fresh
    finally:
        with suppress(FileNotFoundError):
            os.unlink(fresh.name, dir_fd=fresh.directory)
        os.fsync(place.directory)


def _onto_nothing(fresh: Place, place: Place, expect: str) -> None:
    try:
        names.rename_onto_nothing(fresh, place)
    except FileExistsError:
        raise conflict(place.name, expect, state_of(place)) from None


def _in_exchange(fresh: Place, place: Place, expect: str, wanted: str) -> None:
    """After the exchange what was there lies beside: if it is not what was expected, it goes back."""
    try:
        names.exchange(fresh, place)
    except FileNotFoundError:
        raise conflict(place.name, expect, ABSENT) from None
    displaced = state_of(fresh)
    if displaced == expect:
        return
    names.exchange(fresh, place)
    if state_of(fresh) != wanted:
        kept = fresh.beside(f"{place.name}.bulkhead-kept")
        names.rename_onto_nothing(fresh, kept)
        raise No("FAILED", f"two others wrote at once; the later bytes are in {kept.name}")
    raise conflict(place.name, expect, displaced)


def _back(aside: Place, place: Place) -> None:
    """What was taken aside returns; if its place was taken meanwhile, both are kept and it is said where."""
    try:
        names.rename_onto_nothing(aside, place)
    except FileExistsError:
        raise No("FAILED", f"others wrote at once; the earlier bytes are in {aside.name}") from None


def files(root: Path, max_bytes: int = MAX_BYTES) -> list[Operation]:
    """The operations over a directory that exists. Raises `Misconfigured`."""
    return Files(Root.open(root), max_bytes).operations()
