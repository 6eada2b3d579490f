"""A volume as kubelet makes it of a ConfigMap or a Secret: open to all, and mounted so that nobody can write there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pytest


class Volume:
    """What the node has. A pod is shown it at another place."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        place.chmod(0o777)
        self._place = place
        self._versions = 0

    def says(self, files: Mapping[str, str]) -> None:
        """From now on, all at once. The directory of the version before is gone."""
        self._versions += 1
        fresh = self._place / f"..2026_11_30_08_00_00.{self._versions}"
        for name, text in files.items():
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        data, draft = self._place / "..data", self._place / "..data_tmp"
        before = data.resolve()
        draft.symlink_to(fresh.name)
        draft.replace(data)
        for name in {Path(name).parts[0] for name in files}:
            if not (self._place / name).is_symlink():
                (self._place / name).symlink_to(f"..data/{name}")
        if before != data:
            rmtree(before)

    @contextmanager
    def mounted(self, onto: Path) -> Iterator[Path]:
        """Read-only. Skips where we may not mount."""
        onto.mkdir()
        try:
            _run("mount", "--bind", str(self._place), str(onto))
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("may not mount here")
        try:
            _run("mount", "-o", "remount,bind,ro", str(onto))
            yield onto
        finally:
            _run("umount", "-l", str(onto))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=20)
