"""What lies in a directory, and what is there at all. `Path.glob` tells of a directory that cannot be read that it is
empty: that is a guess, and from Python 3.13 on it guesses also when too many files are open.
"""

from __future__ import annotations

from pathlib import Path


def named(directory: Path, suffix: str) -> list[Path]:
    """What has a name that ends so; none where there is no such directory. Raises `OSError` where nobody can tell."""
    try:
        return [path for path in directory.iterdir() if path.name.endswith(suffix)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_there(path: Path) -> bool:
    """Is anything called so? A link that leads nowhere is: what it should lead to was not left out on purpose."""
    return path.is_symlink() or path.exists()
