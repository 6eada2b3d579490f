"""The embedded issuer's keys on the disk: made on first start, readable by their owner only, rotated monthly.

`<state>/issuer/<kid>.pem` (0600) in a directory of 0700; a kid is the second it was made in and eight
random hex digits. Deleting the directory revokes every token. It knows nothing of tokens.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.errors import Misconfigured, Where
from gateway.files import whole
from gateway.files.listing import named
from gateway.files.private import make_private
from gateway.values import Value

ROTATE_AFTER: Final = 30 * 24 * 3600
"""Seconds a key signs before the next one is made."""
SETTLE: Final = 120
"""Seconds a new key waits before it signs, so that every running gateway has read it by then."""
KEPT: Final = 2
"""Keys that verify: the one that signs and its neighbour."""

_KID: Final = re.compile(r"(\d{9,12})-[0-9a-f]{8}")
_INSTALL: Final = re.compile(r"[0-9a-f]{32}")


class SigningKey(Value):
    """One key pair and when it was made (seconds since the epoch)."""

    kid: str
    made_at: int
    private: Ed25519PrivateKey


def open_keys(directory: Path, now: int) -> tuple[str, tuple[SigningKey, ...]]:
    """The install id and the keys, newest first; made or rotated when due. Raises `Misconfigured`."""
    with _locked(directory):
        install = _install_id(directory)
        keys = read_keys(directory)
        if not keys or keys[0].made_at + ROTATE_AFTER <= now:
            _make(directory, now)
            keys = read_keys(directory)
        for old in _key_files(directory)[KEPT:]:
            old.unlink()
    return install, keys


def read_keys(directory: Path) -> tuple[SigningKey, ...]:
    """The keys that verify now, newest first; none when the directory is gone. Raises `Misconfigured`."""
    found = (_read_key(file) for file in _key_files(directory)[:KEPT])
    return tuple(key for key in found if key is not None)


def signing_key(keys: tuple[SigningKey, ...], now: int) -> SigningKey:
    """The newest key that everyone has had time to read; the oldest when none has."""
    return next((key for key in keys if key.made_at + SETTLE <= now), keys[-1])


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One process at a time makes or rotates; two that start together find the same key."""
    try:
        make_private(directory)
        _refuse_wider(directory, os.stat(directory).st_mode, 0o700)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(f"cannot keep keys: {error.strerror}", Where(str(directory))) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _install_id(directory: Path) -> str:
    file = directory / "install-id"
    if not file.exists():
        whole.replace(file, secrets.token_hex(16).encode())
    text = _read(file).decode("ascii", "replace")
    if not _INSTALL.fullmatch(text):
        raise Misconfigured("not an install id", Where(str(file)), "delete the directory")
    return text


def _make(directory: Path, now: int) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    whole.replace(directory / f"{now}-{secrets.token_hex(4)}.pem", pem)


def _key_files(directory: Path) -> list[Path]:
    try:
        files = [file for file in named(directory, ".pem") if _KID.fullmatch(file.stem)]
    except OSError as error:
        raise Misconfigured(
            f"cannot look for keys: {error.strerror}", Where(str(directory))
        ) from None
    return sorted(files, key=lambda file: (_made_at(file.stem), file.stem), reverse=True)


def _read_key(file: Path) -> SigningKey | None:
    """The key in the file; None when another process has just rotated it away."""
    try:
        key = load_pem_private_key(_read(file), password=None)
    except FileNotFoundError:
        return None
    except (ValueError, UnsupportedAlgorithm):
        raise Misconfigured("not a private key in PEM", Where(str(file))) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured("not an Ed25519 key", Where(str(file)))
    return SigningKey(file.stem, _made_at(file.stem), key)


def _made_at(kid: str) -> int:
    return int(kid.partition("-")[0])


def _read(file: Path) -> bytes:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Misconfigured(f"cannot read: {error.strerror}", Where(str(file))) from None
    with open(descriptor, "rb") as stream:
        _refuse_wider(file, os.fstat(descriptor).st_mode, 0o600)
        return stream.read(64 * 1024)


def _refuse_wider(path: Path, mode: int, allowed: int) -> None:
    actual = stat.S_IMODE(mode) & 0o777  # a directory has its group's bit from the one above it
    if actual & ~allowed:
        raise Misconfigured(
            f"mode is {actual:04o}, others could read the issuer's keys",
            Where(str(path)),
            f"chmod {allowed:04o}",
        )
