"""Everything below a directory as records: for shells, builds and migrations; nobody can say what they write.

    <relative path>     {kind: file, mode, bytes_b64} | {kind: directory, mode} | {kind: link, to}

A byte of a name that is no UTF-8 is spelt NUL and two hexadecimal digits, for no name has a NUL. Bounded: all that
is there is read before and after a call. A file over the cap, a pipe or a device is known by its state alone: what
makes one can be taken back, what changes one cannot, and neither keeps the rest from it. What is put back goes
through the files companion's own writes, by changing names: a byte somebody else wrote in between is never lost.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any

from gateway.undo.changes import LARGE
from gateway.undo.companion.base import ABSENT, No, conflict
from gateway.undo.companion.files import Files
from gateway.undo.companion.holding import Inode, holder
from gateway.undo.companion.rooted import Place, Root
from gateway.undo.companion.states import kind_of, state_of
from gateway.undo.companion.store import in_some_order


class Tree:
    """`store.Store` over one directory."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        """`max_bytes`: of one file. Raises `Misconfigured` when there is no such directory."""
        self._root = Root.open(root)
        self._files = Files(self._root, max_bytes)
        self._states: dict[str, str] = {}
        """As last read: what is written over is only what was compared."""

    def alone(self) -> AbstractContextManager[Any]:
        """A file system has no transactions; every single write compares."""
        return nullcontext()

    def keys(self) -> Iterable[str]:
        """Every path below the root."""
        with self._root.itself() as root:
            yield from map(_spelt, self._below(root, ""))

    def read(self, key: str) -> Any:
        """What is there."""
        self._states[key] = ABSENT
        with ExitStack() as held:
            try:
                place = held.enter_context(self._root.place(_path(key)))
            except No as no:
                if no.code in ("ABSENT", "OTHER"):  # below what is no directory there is nothing
                    return None
                raise
            return self._at(key, place)

    def write(self, records: Mapping[str, Any]) -> None:
        """Deepest first what goes, topmost first what comes. Raises `No` (CONFLICT, OTHER) before anything is
        written."""
        for key, record in records.items():
            if self._states[key].startswith("directory:") and _goes(record):
                self._must_hold_no_more(key, records)
        self._must_be_let_go(records)
        deepest = dict(sorted(records.items(), key=lambda item: item[0].count("/")))
        in_some_order(deepest, self._put, self._gone)

    def _must_hold_no_more(self, key: str, records: Mapping[str, Any]) -> None:
        """Raises `No` (CONFLICT) for a directory into which somebody else has put something since: it stays, and
        so does all that the call made."""
        with (
            self._root.place(f"{_path(key)}/.here") as place,
            os.scandir(place.directory) as entries,
        ):
            for entry in entries:
                inner = f"{key}/{_spelt(entry.name)}"
                if records.get(inner, entry) is not None:
                    raise No("CONFLICT", f"{inner} is in what would go; nothing was changed")

    def _must_be_let_go(self, keys: Iterable[str]) -> None:
        """Raises `No` (OTHER) for a file that a process keeps open, as a server does its database: it would go on
        with what it remembers, and write that again."""
        files: dict[Inode, str] = {}
        for key in keys:
            if self._states[key].startswith("file:"):
                with self._root.place(_path(key)) as place, suppress(FileNotFoundError):
                    about = os.lstat(place.name, dir_fd=place.directory)
                    files[about.st_dev, about.st_ino] = key
        if held := holder(files, self._root.spellings[0], os.getppid()):
            pid, inode = held
            raise No(
                "OTHER",
                f"{files[inode]} is kept open by process {pid}, which would not see what is put back: "
                "stop it first; nothing was changed",
            )

    def _below(self, directory: int, above: str) -> Iterable[str]:
        with os.scandir(directory) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = f"{above}{entry.name}"
            yield path
            if entry.is_dir(follow_symlinks=False):
                with self._root.place(f"{path}/.here") as place:
                    yield from self._below(place.directory, f"{path}/")

    def _at(self, key: str, place: Place) -> Any:
        kind = kind_of(place)
        if kind == ABSENT:
            return None
        if kind == "file":
            return self._file(key, place)
        state = self._states[key] = state_of(place)
        if kind == "directory":
            return {"kind": kind, "mode": state.partition(":")[2]}
        if kind == "link":
            to = os.readlink(place.name, dir_fd=place.directory)
            return {"kind": kind, "to": base64.b64encode(os.fsencode(to)).decode()}
        return {"kind": kind, LARGE: state}

    def _file(self, key: str, place: Place) -> Any:
        try:
            found = self._files.read(_path(key))
        except No as no:
            if no.code != "TOO_LARGE":
                raise
            state = self._states[key] = state_of(place)
            return {"kind": "file", LARGE: state}
        self._states[key] = found["state"]
        return {"kind": "file", "mode": found["mode"], "bytes_b64": found["bytes_b64"]}

    def _put(self, key: str, record: Mapping[str, Any]) -> None:
        kind = self._states[key].partition(":")[0]
        if kind not in (ABSENT, record["kind"]):
            self._gone(key)
        state = self._states[key]
        if record["kind"] == "file":
            self._files.put(_path(key), record["bytes_b64"], record["mode"], state)
        elif record["kind"] == "directory":
            self._directory(key, record["mode"], state)
        else:
            self._link(key, base64.b64decode(record["to"]), state)

    def _directory(self, key: str, mode: str, state: str) -> None:
        if state == ABSENT:
            self._files.make(_path(key), mode)
            return
        with self._root.place(_path(key)) as place:
            os.chmod(place.name, int(mode, 8), dir_fd=place.directory)

    def _link(self, key: str, to: bytes, state: str) -> None:
        if state != ABSENT:
            self._gone(key)
        with self._root.place(_path(key)) as place:
            os.symlink(to, place.name, dir_fd=place.directory)
            os.fsync(place.directory)

    def _gone(self, key: str) -> None:
        """From the very state in which it was compared."""
        state = self._states[key]
        if state.startswith("file:"):
            self._files.delete(_path(key), state)
        elif state.startswith("directory:"):
            self._files.remove(_path(key), state)
        elif state.startswith(("link:", "other:")):
            with self._root.place(_path(key)) as place:
                if (found := state_of(place)) != state:
                    raise conflict(key, state, found)
                os.unlink(place.name, dir_fd=place.directory)
        self._states[key] = ABSENT


def _goes(record: Mapping[str, Any] | None) -> bool:
    """Is there to be no directory?"""
    return record is None or record["kind"] != "directory"


def _spelt(path: str) -> str:
    return re.sub("[\udc80-\udcff]", lambda found: f"\0{ord(found[0]) - 0xDC00:02x}", path)


def _path(key: str) -> str:
    return re.sub("\0([0-9a-f]{2})", lambda found: chr(0xDC00 + int(found[1], 16)), key)
