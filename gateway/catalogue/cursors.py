"""Cursors of the aggregates: where the next page begins, in which version of the catalogue, and for whom. Sealed.

A cursor is good for one agent, one list and one version of the catalogue. Gateways with one key and
one catalogue read each other's. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

_BYTES: Final = 16


class Cursors:
    """Makes and reads cursors."""

    def __init__(self, key: str) -> None:
        """`key`: secret, the same for all gateways that serve one catalogue."""
        self._key = key.encode()

    def make(self, begins: int, scope: tuple[str, ...]) -> str:
        """A cursor for the page that begins at this entry. `scope`: all it is good for."""
        seal = self._seal(begins, scope)
        return base64.urlsafe_b64encode(begins.to_bytes(8, "big") + seal).decode().rstrip("=")

    def read(self, cursor: object, scope: tuple[str, ...]) -> int | None:
        """Where the page begins; None for a cursor that was not made for this scope."""
        if not isinstance(cursor, str) or not cursor.isascii() or len(cursor) > 64:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        except ValueError:
            return None
        begins = int.from_bytes(raw[:8], "big")
        good = len(raw) == 8 + _BYTES and hmac.compare_digest(raw[8:], self._seal(begins, scope))
        return begins if good else None

    def _seal(self, begins: int, scope: tuple[str, ...]) -> bytes:
        said = "\0".join([str(begins), *scope]).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, said, hashlib.sha256).digest()[:_BYTES]
