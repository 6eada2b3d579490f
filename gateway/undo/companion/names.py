"""Changing names without a moment in which something can be lost: onto nothing only, or two at once.

Linux has renameat2, macOS renameatx_np. Where the file system has neither, a file is linked instead, and
an exchange is two renames: a moment without the name, and never a moment without the bytes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from typing import Final

from gateway.undo.companion.rooted import Place

_MAC: Final = sys.platform == "darwin"
_ONTO_NOTHING: Final = 4 if _MAC else 1
_EXCHANGE: Final = 2
_UNABLE: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


def _system() -> Callable[..., int] | None:
    library = ctypes.CDLL(None, use_errno=True)
    found: Callable[..., int] | None = getattr(
        library, "renameatx_np" if _MAC else "renameat2", None
    )
    return found


_rename: Final = _system()


def rename_onto_nothing(old: Place, new: Place) -> None:
    """Raises `FileExistsError` if something is there, and changes nothing then."""
    if not _at_once(old, new, _ONTO_NOTHING):
        os.link(
            old.name,
            new.name,
            src_dir_fd=old.directory,
            dst_dir_fd=new.directory,
            follow_symlinks=False,
        )
        os.unlink(old.name, dir_fd=old.directory)


def exchange(one: Place, other: Place) -> None:
    """Each has the other's name. Both must exist."""
    if not _at_once(one, other, _EXCHANGE):
        between = one.aside()
        rename_onto_nothing(other, between)
        rename_onto_nothing(one, other)
        rename_onto_nothing(between, one)


def _at_once(old: Place, new: Place, flag: int) -> bool:
    """False when this system or file system cannot. Raises `OSError` for anything else."""
    if _rename is None:
        return False
    done = _rename(
        ctypes.c_int(old.directory),
        os.fsencode(old.name),
        ctypes.c_int(new.directory),
        os.fsencode(new.name),
        ctypes.c_uint(flag),
    )
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNABLE:
        return False
    raise OSError(number, os.strerror(number), old.name, None, new.name)
