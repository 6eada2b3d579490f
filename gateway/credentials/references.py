"""A secret an operator keeps elsewhere, read at the moment it is needed: so that changing it needs no restart.

It knows files and the gateway's own environment, and nothing of what a secret is for.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Final

from gateway.config.clients import Secret
from gateway.credential_ports import NoCredential

SHORTEST: Final = 8
"""Characters. A shorter one could not be told from ordinary words where it comes back in a result."""
MAX_BYTES: Final = 64 * 1024

log = logging.getLogger("bulkhead.credentials")


class Reference:
    """Where one secret is."""

    def __init__(self, secret: Secret, home: Path) -> None:
        """`home`: what a file is relative to."""
        self._file = None if secret.file is None else home / secret.file
        self._env = secret.env or ""

    def __str__(self) -> str:
        return f"file {self._file}" if self._file else f"variable {self._env}"

    def read(self) -> str:
        """The secret, without the newline at its end. Raises `NoCredential`."""
        text = os.environ.get(self._env, "") if self._file is None else self._from(self._file)
        secret = text.rstrip("\r\n")
        if len(secret) < SHORTEST:
            raise NoCredential(f"{self}: no secret of at least {SHORTEST} characters", nothing=True)
        return secret

    def warn_if_open(self) -> None:
        """Tells the log when others on this machine can read the file."""
        try:
            mode = 0 if self._file is None else self._file.stat().st_mode
        except OSError:
            return
        if mode & stat.S_IROTH:
            log.warning("%s can be read by everybody on this machine: chmod o-r", self)

    def _from(self, file: Path) -> str:
        try:
            with file.open("rb") as opened:
                return opened.read(MAX_BYTES).decode("utf-8")
        except OSError as error:
            raise NoCredential(f"{self}: {error.strerror}", nothing=True) from None
        except UnicodeDecodeError:
            raise NoCredential(f"{self}: not UTF-8", nothing=True) from None
