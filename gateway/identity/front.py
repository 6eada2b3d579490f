"""One verifier over all kinds of proof: a token where one is shown, else the client's certificate.

Implements `ports.Verifier`. Nobody is believed by half of each: a bad token is not made good by a certificate.
"""

from __future__ import annotations

from gateway.core.model import Evidence, WorkloadIdentity
from gateway.ports import Verifier


class AnyProof:
    """Asks the verifier of the proof that is shown."""

    def __init__(self, tokens: Verifier, certificates: Verifier) -> None:
        self._tokens = tokens
        self._certificates = certificates

    def verify(self, evidence: Evidence, now: int) -> WorkloadIdentity:
        """See `ports.Verifier`."""
        return self._of(evidence).verify(evidence, now)

    def recall(self, evidence: Evidence, now: int) -> WorkloadIdentity | None:
        """See `ports.Verifier`."""
        return self._of(evidence).recall(evidence, now)

    async def refreshed(self, evidence: Evidence) -> bool:
        """See `ports.Verifier`."""
        return await self._of(evidence).refreshed(evidence)

    def _of(self, evidence: Evidence) -> Verifier:
        by_certificate = evidence.certificate and not evidence.authorization
        return self._certificates if by_certificate else self._tokens
