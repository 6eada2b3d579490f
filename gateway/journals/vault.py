"""The journal's own key: made on first start, readable by its owner alone, used to seal and to commit.

It knows bytes only.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import Misconfigured, Where
from gateway.files import whole
from gateway.files.private import make_private

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_SEALED: Final = b"bulkhead journal sealed v1"


class Vault:
    """Two keys out of one secret: AES-256-GCM for what must be read again, HMAC for what must only be known."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(_derive(secret, b"seal"))
        self._key = _derive(secret, b"commit")

    @classmethod
    def open(cls, directory: Path, make: bool = True) -> Vault:
        """The vault whose key lies in `directory/journal.key`; both are made when missing, if `make`.

        Raises `Misconfigured` when anyone but the owner could read or change them.
        """
        path = directory / "journal.key"
        try:
            if make:
                make_private(directory)
            _check(directory, directory.lstat(), stat.S_IFDIR)
            if make and not path.exists():
                whole.make(path, secrets.token_bytes(KEY_BYTES))
            _check(path, path.lstat(), stat.S_IFREG)
            secret = path.read_bytes()
        except OSError as error:
            raise Misconfigured(f"the journal's key: {error.strerror}", Where(str(path))) from None
        if len(secret) != KEY_BYTES:
            raise Misconfigured(f"the journal's key is not {KEY_BYTES} bytes", Where(str(path)))
        return cls(secret)

    def seal(self, plain: bytes) -> bytes:
        """Encrypted; the same text never looks the same twice."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, _SEALED)

    def unseal(self, sealed: bytes) -> bytes:
        """What was sealed here. Raises `ValueError` for anything else."""
        nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, body, _SEALED)
        except (InvalidTag, ValueError):
            raise ValueError("not sealed by this installation") from None

    def subkey(self, purpose: bytes) -> bytes:
        """32 bytes for something else of this installation."""
        return _derive(self._secret, purpose)

    def commit(self, purpose: bytes, plain: bytes) -> str:
        """Lower-case hex HMAC-SHA256: says "the same" or "not the same", and only to who has the key."""
        return hmac.digest(self._key, purpose + b"\0" + plain, "sha256").hex()


def _derive(secret: bytes, purpose: bytes) -> bytes:
    info = b"bulkhead journal " + purpose
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def _check(path: Path, found: os.stat_result, kind: int) -> None:
    where = Where(str(path))
    if stat.S_IFMT(found.st_mode) != kind:
        raise Misconfigured("not what it should be (a link, or another kind of file)", where)
    if found.st_uid != os.geteuid():
        raise Misconfigured("belongs to another user", where)
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = 0o700 if kind == stat.S_IFDIR else 0o600
        raise Misconfigured(
            f"others can reach it (mode {stat.S_IMODE(found.st_mode):03o})",
            where,
            hint=f"chmod {mode:o}",
        )
