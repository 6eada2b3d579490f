"""X.509-SVIDs: the client's certificate of a TLS connection is believed or refused (SPIFFE X509-SVID).

Implements `ports.Verifier`. The handshake has verified the chain against the trust domain's authorities
(wire/agents/tls.py); what the certificate must be beyond that stands here. Synchronous, no I/O.
A certificate has no audience and no scope: the settings say which tiers it reaches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from cryptography import x509

from gateway.config.issuers import IssuerSettings
from gateway.core.model import Evidence, Tier, WorkloadIdentity
from gateway.errors import Refused
from gateway.identity.claims import LEEWAY, reach
from gateway.identity.naming import Reader
from gateway.identity.presented import bad
from gateway.identity.profile import ClaimError
from gateway.identity.spiffe import SvidReader
from gateway.reasons import Reason

MAX_TTL: Final = 90_000
"""Seconds from `notBefore` to `notAfter`, at most: a day, and what issuers date back."""


class CertificateVerifier:
    """Of one trust domain."""

    def __init__(self, settings: IssuerSettings, tenant: str) -> None:
        """`tenant`: the gateway's own."""
        assert settings.trust_domain is not None
        self._read = SvidReader(settings.trust_domain, Reader.of(settings, tenant))
        self._issuer = f"spiffe://{settings.trust_domain}"
        self._tiers = frozenset(map(Tier, settings.tiers or ()))
        self._max_ttl = settings.max_ttl or MAX_TTL

    def verify(self, evidence: Evidence, now: int) -> WorkloadIdentity:
        """See `ports.Verifier`. `now`: seconds since the epoch."""
        if not evidence.certificate:
            raise Refused(Reason.NO_TOKEN, "no client certificate")
        facts = _facts(evidence.certificate)
        if facts["exp"] + LEEWAY <= now:
            raise Refused(Reason.EXPIRED_TOKEN, "certificate has expired")
        if facts["nbf"] > now + LEEWAY:
            bad("certificate is from the future")
        if facts["exp"] - facts["nbf"] > self._max_ttl:
            bad(f"certificate lives longer than {self._max_ttl} s")
        try:
            claimed = self._read(facts)
        except ClaimError as error:
            bad(f"certificate: {error}")
        return claimed.identity(
            self._issuer,
            reach(self._tiers, frozenset(), evidence.endpoint, True),
            "x509:" + hashlib.sha256(evidence.certificate).hexdigest()[:40],
            facts["exp"] + LEEWAY,
        )

    def recall(self, evidence: Evidence, now: int) -> WorkloadIdentity | None:
        """See `ports.Verifier`: of a certificate it is its bytes that are remembered, and not what it is good for."""
        return None

    async def refreshed(self, evidence: Evidence) -> bool:
        """See `ports.Verifier`."""
        return False


@lru_cache(maxsize=1024)
def _facts(der: bytes) -> Mapping[str, Any]:
    """What a leaf certificate says, as claims. Raises `Refused` (bad_token)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        _check_leaf(certificate.extensions)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        ids = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound as error:
        bad(f"certificate has no {error.oid._name}")
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        bad("certificate cannot be read")
    if len(ids) != 1 or not ids[0].startswith("spiffe://") or "/" not in ids[0][9:]:
        bad("certificate does not name one workload")
    return {
        "sub": ids[0],
        "serial": f"{certificate.serial_number:x}",
        "nbf": int(certificate.not_valid_before_utc.timestamp()),
        "exp": int(certificate.not_valid_after_utc.timestamp()),
    }


def _check_leaf(extensions: x509.Extensions) -> None:
    """A certificate that signs others is nobody's identity (X509-SVID, 4 and 5.2)."""
    use = extensions.get_extension_for_class(x509.KeyUsage).value
    if not use.digital_signature or use.key_cert_sign or use.crl_sign:
        bad("certificate is not for a workload's signatures")
    try:
        authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if authority:
        bad("certificate is an authority's")
