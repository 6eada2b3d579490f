"""The pin of model.conf: the combining rule and the matcher are part of the program, not of the configuration.

It reads one file and compares its hash; what the file means is Casbin's (engine.py).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from gateway.errors import Misconfigured, Where

MODEL_SHA256: Final = "fcdb468652f2122562afa9c47c46f42c3acdfe05f08ae29dd5894aa757b6ca42"

_HINT: Final = "every policy has a copy of policies/model.conf of this release"


def model(path: Path) -> str:
    """The text of model.conf. Raises `Misconfigured` unless it is the pinned one, byte for byte."""
    if not path.parent.is_dir():
        raise Misconfigured("no such directory", Where(str(path.parent)))
    try:
        raw = b"" if path.is_fifo() else path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read: {error.strerror}", Where(str(path)), _HINT) from None
    if hashlib.sha256(raw).hexdigest() != MODEL_SHA256:
        raise Misconfigured(
            "not the pinned model: this file may not be edited",
            Where(str(path)),
            _HINT,
        )
    return raw.decode("ascii")
