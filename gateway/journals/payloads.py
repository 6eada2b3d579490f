"""Payloads at rest: each under a key of its own, each committed to in its line. Who destroys the key forgets it.

A commitment is SHA-256 over a random salt and the payload, and the salt lies with the payload: whoever is
shown both can check what a line said, and from the line alone nobody can guess. The payload's key is
wrapped under a longer-lived one that is named beside it (`REF`: this installation's `journal.key`).
It knows bytes, and no store.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.journals import salts
from gateway.journals.salts import SALT_BYTES
from gateway.journals.vault import NONCE_BYTES, Vault
from gateway.values import Value

PAYLOADS: Final = 8
"""Payloads a line can have: a payload's number is its line's times this, and its class."""
KEY_BYTES: Final = 32
_FRESH: Final = Struct(f"{KEY_BYTES}s{NONCE_BYTES}s")
REF: Final = "journal.key/1"
_ONCE: Final = bytes(NONCE_BYTES)
"""A payload's key encrypts once, so it needs no other nonce (NIST SP 800-38D, 8.2)."""


class Payload(Value):
    """What is to be kept apart of one line: the salt in front, then the JSON."""

    kind: int
    """Its class, by its place in `core.apart.CLASSES`."""
    plain: bytes
    commitment: str
    """`sha256:<hex>`, for the line."""

    @classmethod
    def of(cls, kind: int, json: bytes) -> Payload:
        """With a salt of its own."""
        plain = salts.fresh() + json
        return cls(kind, plain, f"sha256:{sha256(plain).hexdigest()}")


class Kept(Value):
    """A payload as it lies on the disk."""

    ref: str
    key: bytes
    data: bytes


class Keeper:
    """Seals and opens payloads of one installation. Safe in any thread."""

    def __init__(self, vault: Vault) -> None:
        self._wraps = {REF: AESGCM(vault.subkey(b"payload keys 1"))}

    @classmethod
    def beside(cls, journal: Path) -> Keeper:
        """With the key that lies beside this journal's file, or is made. Raises `Misconfigured`."""
        return cls(Vault.open(journal.parent / "secrets"))

    def seal_all(self, payloads: Sequence[Payload]) -> list[tuple[bytearray, bytearray]]:
        """Of each a new key of its own, wrapped under `REF`, and the data encrypted under it; in arrays, as they are
        written (rows.py)."""
        sealed: list[tuple[bytearray, bytearray]] = []
        if payloads:
            # Asked for once: the kernel's random bytes cost a system call and the interpreter each time.
            fresh = _FRESH.iter_unpack(os.urandom(_FRESH.size * len(payloads)))
            wrap = self._wraps[REF].encrypt
            for payload, (key, nonce) in zip(payloads, fresh, strict=True):
                data = AESGCM(key).encrypt(_ONCE, payload.plain, None)
                sealed.append((bytearray(nonce + wrap(nonce, key, None)), bytearray(data)))
        return sealed

    def open(self, kept: Kept, commitment: str) -> bytes:
        """The payload without its salt. Raises `ValueError` when it is not what the line committed to, or
        was sealed elsewhere."""
        plain = self.salted(kept)
        if f"sha256:{sha256(plain).hexdigest()}" != commitment:
            raise ValueError("a payload that is not its line's")
        return plain[SALT_BYTES:]

    def salted(self, kept: Kept) -> bytes:
        """The payload with its salt in front: what the commitment is over. Raises `ValueError`."""
        try:
            wrap, nonce = self._wraps[kept.ref], kept.key[:NONCE_BYTES]
            key = wrap.decrypt(nonce, kept.key[NONCE_BYTES:], None)
            return AESGCM(key).decrypt(_ONCE, kept.data, None)
        except (KeyError, InvalidTag, ValueError):
            raise ValueError("a payload this installation has no key for") from None
