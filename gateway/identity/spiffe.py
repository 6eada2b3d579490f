"""SPIFFE IDs, and the reading of SVIDs: an id belongs to the one trust domain its keys speak for.

Pure. SPIFFE-ID (2.1 to 2.4); JWT-SVID; X509-SVID. It knows no key and no token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.identity.profile import Claimed, ClaimError
from gateway.values import Value

MAX_ID: Final = 2048
_DOMAIN: Final = r"[a-z0-9._-]{1,255}"
_ID: Final = re.compile(rf"spiffe://({_DOMAIN})((?:/[A-Za-z0-9._-]+)*)")


def domain_of(subject: Any) -> str | None:
    """The trust domain of a SPIFFE ID; None for anything else. Nothing is normalised."""
    if not isinstance(subject, str) or len(subject) > MAX_ID:
        return None
    found = _ID.fullmatch(subject)
    if found is None or not {".", ".."}.isdisjoint(found[2].split("/")):
        return None
    return found[1]


class SvidReader(Value):
    """Claims of an SVID of one trust domain."""

    domain: str
    read: Callable[[Mapping[str, Any]], Claimed]

    def __call__(self, claims: Mapping[str, Any]) -> Claimed:
        """Raises `ClaimError`."""
        if domain_of(claims.get("sub")) != self.domain:
            raise ClaimError("claim sub is no SPIFFE ID of the trust domain")
        return self.read(claims)
