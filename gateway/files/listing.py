"""What lies in a directory. `Path.glob` tells of one that cannot be read that it is empty: that is a guess, and from
Python 3.13 on it guesses also when too many files are open.
"""

from __future__ import annotations

from pathlib import Path


def named(directory: Path, suffix: str) -> list[Path]:
    """What has a name that ends so; none where there is no such directory. Raises `OSError` where nobody can tell."""
    try:
        return [path for path in directory.iterdir() if path.name.endswith(suffix)]
    except (FileNotFoundError, NotADirectoryError):
        return []
