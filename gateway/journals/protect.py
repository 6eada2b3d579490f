"""Keeps secrets, and too much of anything, out of the journal's files.

    sealed     {"sealed": "<base64>"}                      kept encrypted, for undo and nobody's eyes
    redacted   {"redacted": "<hex>"}                       only a keyed commitment is kept
    too large  {"redacted": "<hex>", "bytes": <size>}      the same, for its size

A value is sealed when its path is marked so, when it or its name looks like a secret, when it is a
text over INLINE_BYTES, and when it could be taken for one of the three forms above. It knows no
journal and no policy.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import compress
from operator import methodcaller
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.core.model import JsonObject
from gateway.journals.detect import (
    holds_secret,
    is_secret_name,
    shows_secret,
    without_secrets,
)
from gateway.journals.vault import Vault
from gateway.ports import Mark

INLINE_BYTES: Final = 16 * 1024
"""A longer text is sealed (compressed): whole for undo, out of the way of readers."""
SEALED_BYTES: Final = 256 * 1024
"""A larger value is not kept at all, only committed to."""
UNDO_BYTES: Final = 16 * 1024 * 1024
"""A larger pre-image is not kept: its call cannot be undone."""
TOTAL_BYTES: Final = 1024 * 1024
"""Arguments that are still larger after all that are not kept at all."""
PLAIN_BYTES: Final = 2 * 1024
"""Longer arguments are looked at one by one."""
TEXT_CHARACTERS: Final = 4_096
"""Detail lines end here."""

DEPTH: Final = 64
"""A value deeper than this in the tree is sealed whole."""

_ESCAPE: Final = 0x5C
"""The byte, as a number: looked for as bytes, it costs an error that the interpreter throws away."""
_UNSAYABLE: Final = (OverflowError, TypeError, ValueError, RecursionError)
"""Raised for lone surrogates and great depth."""
_IS_COLON: Final = methodcaller("startswith", b":")
_FORMS: Final = frozenset({"sealed", "redacted"})
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_as_it_is = json.JSONEncoder(separators=(",", ":")).encode
_encode: Final = msgspec.json.Encoder().encode


class Protector:
    """What stands between a call's arguments and the disk."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @classmethod
    def open(cls, state_dir: Path) -> Protector:
        """With the key in `state_dir/secrets/`, made on first use. Raises `Misconfigured`."""
        return cls(Vault.open(state_dir / "secrets"))

    def key_for(self, purpose: bytes) -> str:
        """A key of its own for something else this installation seals: 64 hex characters."""
        return self._vault.commit(b"key", purpose)

    def digest(self, value: Any) -> str:
        """`hmac-sha256:<hex>` of a JSON value: members sorted, no spaces, ASCII. Keyed per installation."""
        return self._digest(_canonical(value))

    def protect(self, arguments: JsonObject, marks: Mapping[str, Mark]) -> tuple[JsonObject, str]:
        """The arguments as the journal may keep them, and the digest of the originals: empty where they are kept as
        they came, for whoever reads them can make it again (payloadreader.py).

        `marks`: JSON pointers (RFC 6901) to values, wherever they are in the tree; those that lead
        nowhere are passed over. The arguments are not changed.
        """
        if not marks and _harmless(arguments):
            return arguments, ""
        kept = self._keep(arguments, (), {_path(pointer): mark for pointer, mark in marks.items()})
        text = _canonical(arguments)
        if len(_canonical(kept)) > TOTAL_BYTES:
            kept = self._too_large(text)
        return kept, "" if kept == arguments else self._digest(text)

    def protect_text(self, text: str) -> str:
        """A detail line without well-known shapes of secrets, at most TEXT_CHARACTERS long."""
        clean = without_secrets(text)
        return clean if len(clean) <= TEXT_CHARACTERS else f"{clean[:TEXT_CHARACTERS]}..."

    def seal(self, value: Any) -> JsonObject:
        """`{"sealed": ...}`: a JSON value kept whole, for undo, its members in their order. Raises `ValueError` when it
        is too large."""
        text = _as_it_is(value)
        if len(text) > UNDO_BYTES:
            raise ValueError(f"larger than {UNDO_BYTES} bytes")
        return self._packed(text)

    def unseal(self, kept: Mapping[str, Any]) -> Any:
        """The value behind `{"sealed": ...}`. Raises `ValueError` for what was not sealed here."""
        sealed = kept.get("sealed")
        if not isinstance(sealed, str):
            raise ValueError("nothing sealed here")
        return json.loads(zlib.decompress(self._vault.unseal(base64.b64decode(sealed))))

    def restore(self, kept: Any, redacted: Any = None) -> Any:
        """Arguments as they were, sealed values opened, at any depth. `redacted` stands for each value that
        was marked so; without it, and for what was too large to be kept, that raises `ValueError`."""
        if isinstance(kept, list):
            return [self.restore(item, redacted) for item in kept]
        if not isinstance(kept, dict):
            return kept
        if "redacted" in kept:
            if redacted is not None and "bytes" not in kept:
                return redacted
            raise ValueError("redacted: only a commitment was kept")
        if "sealed" in kept:
            return self.unseal(kept)
        return {name: self.restore(value, redacted) for name, value in kept.items()}

    def keeps(self, arguments: JsonObject) -> bool:
        """See `ports.Protector`."""
        # In a form that is at most eight times longer: most are far too short for it.
        with suppress(*_UNSAYABLE):
            if len(_encode(arguments)) <= SEALED_BYTES // 8:
                return True
        return len(_canonical(arguments)) <= SEALED_BYTES

    def _keep(
        self, value: Any, path: tuple[str, ...], marks: Mapping[tuple[str, ...], Mark]
    ) -> Any:
        mark = marks.get(path)
        if mark == "redacted":
            return self._redacted(_canonical(value))
        if mark == "sealed" or len(path) > DEPTH or _is_secret(value, path):
            return self._sealed(_canonical(value))
        if isinstance(value, dict):
            return {
                name: self._keep(member, (*path, name), marks) for name, member in value.items()
            }
        if isinstance(value, list):
            return [self._keep(item, (*path, str(at)), marks) for at, item in enumerate(value)]
        return value

    def _sealed(self, text: str) -> JsonObject:
        if len(text) > SEALED_BYTES:
            return self._too_large(text)
        return self._packed(text)

    def _packed(self, text: str) -> JsonObject:
        packed = self._vault.seal(zlib.compress(text.encode("ascii"), 1))
        return {"sealed": base64.b64encode(packed).decode("ascii")}

    def _redacted(self, text: str) -> JsonObject:
        return {"redacted": self._vault.commit(b"value", text.encode("ascii"))}

    def _too_large(self, text: str) -> JsonObject:
        return {**self._redacted(text), "bytes": len(text)}

    def _digest(self, text: str) -> str:
        return f"hmac-sha256:{self._vault.commit(b'arguments', text.encode('ascii'))}"


def _harmless(arguments: JsonObject) -> bool:
    """True when nothing in them can be a secret or one of our own forms, and all are of everyday size."""
    try:
        raw = _encode(arguments)
    except _UNSAYABLE:
        return False
    size = len(raw)
    if size <= PLAIN_BYTES and _ESCAPE not in raw:
        return not (shows_secret(raw) or _some_taken(_names(raw)))
    if size > INLINE_BYTES:
        return False
    names, texts = _looked_over(arguments)
    return not (any(map(_is_taken, names)) or holds_secret("\n".join((*names, *texts))))


def _looked_over(root: JsonObject) -> tuple[list[str], list[str]]:
    """Every member name and every text, in no order."""
    names: list[str] = []
    texts: list[str] = []
    branches: list[Any] = [root]
    while branches:
        branch = branches.pop()
        if isinstance(branch, dict):
            names += branch
            branch = branch.values()
        for value in branch:
            if isinstance(value, str):
                texts.append(value)
            elif isinstance(value, (dict, list)):
                branches.append(value)
    return names, texts


def _names(raw: bytes) -> tuple[bytes, ...]:
    """Every member name in JSON that has no escapes and no spaces: a text with a colon behind it."""
    parts = raw.split(b'"')
    return tuple(compress(parts[1::2], map(_IS_COLON, parts[2::2])))


@lru_cache(1_024)
def _some_taken(names: tuple[bytes, ...]) -> bool:
    """Of the names that a tool's arguments have, or its answers: they come again."""
    return any(_is_taken(name.decode()) for name in names)


def _is_taken(name: str) -> bool:
    return name in _FORMS or is_secret_name(name)


def _is_secret(value: Any, path: tuple[str, ...]) -> bool:
    """Seal it unmarked? Only ever asked of values the fast look could not clear."""
    if value is None or isinstance(value, bool):
        return False
    if path and is_secret_name(path[-1]):
        return True
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace")) > INLINE_BYTES or holds_secret(value)
    if isinstance(value, dict):
        # A secret for a name, or an object that could be taken for one of our own forms.
        return any(name in _FORMS or holds_secret(name) for name in value)
    return False


def _path(pointer: str) -> tuple[str, ...]:
    """RFC 6901. A pointer without its slash is read as the name of a member: closed when in doubt."""
    names = pointer.removeprefix("/").split("/") if pointer else []
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in names)
