"""An Ed25519 key in a file of its own, and whose signature something is. Its public half is its name.

It knows bytes: not what is signed, nor who is believed.
"""

from __future__ import annotations

import base64
import binascii
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.errors import Misconfigured, Where
from gateway.files import whole
from gateway.files.private import make_private

PREFIX: Final = "ed25519:"


class Signer:
    """A key that signs."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def open(cls, path: Path) -> Signer:
        """The key in the file; made when there is none. Raises `Misconfigured`, also when others could read it."""
        make_private(path.parent)
        if not path.exists():
            raw = Ed25519PrivateKey.generate().private_bytes(
                Encoding.Raw, PrivateFormat.Raw, NoEncryption()
            )
            whole.make(path, base64.b64encode(raw) + b"\n")
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Misconfigured("others could read this key", Where(str(path)), "chmod 600")
        try:
            raw = base64.b64decode(path.read_text("ascii").strip(), validate=True)
            return cls(Ed25519PrivateKey.from_private_bytes(raw))
        except (OSError, ValueError, binascii.Error):
            raise Misconfigured("not a signing key", Where(str(path))) from None

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def name(self) -> str:
        """`ed25519:<base64>`."""
        return PREFIX + base64.b64encode(self.public).decode()

    def sign(self, message: bytes) -> bytes:
        """64 bytes. Begin a message with what it is: no signature may be taken for one of another kind."""
        return self._key.sign(message)


def is_signed(signer: str, signature: bytes, message: bytes) -> bool:
    """Is this the signature of the key with that name? Anything that is no key or no signature: no."""
    try:
        raw = base64.b64decode(signer.removeprefix(PREFIX), validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True
