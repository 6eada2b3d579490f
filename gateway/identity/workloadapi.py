"""A trust domain's keys from the SPIFFE Workload API on this machine: what SPIRE's agent hands to workloads.

Needs the extra `spiffe`, whose client waits in a thread of its own. It keeps nothing: that is keycache.py.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from gateway.errors import Misconfigured, Where, to_install
from gateway.identity.jwk import NotAKey, of_public
from gateway.identity.keycache import Fetched, Unfetched
from gateway.identity.profile import VerificationKey

SECONDS: Final = 5.0
GOOD_FOR: Final = 60
"""Seconds until it is asked again: the API is next door, and rotates without a word to who does not listen."""


class WorkloadApi:
    """The JWT authorities of one trust domain."""

    def __init__(self, address: str, domain: str, where: Where | None) -> None:
        """`address`: `unix:///path`. Raises `Misconfigured` without the extra."""
        try:
            import spiffe
        except ImportError:
            why = "the Workload API needs more packages"
            raise Misconfigured(why, where, to_install("spiffe")) from None
        self._address = address
        self._domain = spiffe.TrustDomain(domain)
        self._connect = spiffe.WorkloadApiClient

    async def fetch(self) -> Fetched:
        """The keys. Raises `Unfetched`."""
        try:
            keys = _keys(await asyncio.to_thread(self._authorities))
        except Unfetched:
            raise
        except Exception as error:  # the library lets more through than it documents
            raise Unfetched(f"{type(error).__name__}: {error}") from None
        if not keys:
            raise Unfetched(f"no key of {self._domain} that is accepted")
        return Fetched(keys, GOOD_FOR)

    def _authorities(self) -> dict[str, Any]:
        with self._connect(self._address) as client:
            bundles = client.fetch_jwt_bundles(timeout=SECONDS)
        bundle = bundles.get_bundle_for_trust_domain(self._domain)
        if bundle is None:
            raise Unfetched(f"no keys of {self._domain}")
        return dict(bundle.jwt_authorities)


def _keys(authorities: dict[str, Any]) -> dict[str, VerificationKey]:
    """Those that are accepted, by id."""
    found: dict[str, VerificationKey] = {}
    for kid, public in authorities.items():
        try:
            found[kid] = of_public(public)
        except NotAKey:
            continue
    return found
