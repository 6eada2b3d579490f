"""One byte string per descriptor, and its digest: what an operator approves is exactly this.

Every member counts: annotations, `_meta`, schemas, icons, `x-mcp-header`, fields nobody knows yet.
Pure; it knows no file and no server.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """JSON with sorted members, no white space, UTF-8 (in the manner of RFC 8785).

    Numbers keep their type: 1 and 1.0 differ, so that no change of a schema goes unseen.
    Raises `ValueError` for what is not JSON: NaN, infinities, lone surrogates, nesting without end.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode("utf-8")
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not JSON: {type(error).__name__}") from None


def digest(value: Any) -> str:
    """`sha256:<hex>` of the canonical bytes. Raises `ValueError` as `canonical` does."""
    return digest_of(canonical(value))


def digest_of(data: bytes) -> str:
    """`sha256:<hex>` of bytes that are canonical already."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
