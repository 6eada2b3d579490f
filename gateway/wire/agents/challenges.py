"""Who are you: the 401 and 403 challenges (RFC 6750, 9449) and the document that says where to look (RFC 9728).

One outward answer for every token that is not good; which way it was not good is for the operator.
"""

from __future__ import annotations

import logging
from typing import Final

from gateway.config.issuers import PROOFS
from gateway.core.model import Endpoint, Evidence, JsonObject, Tier, WorkloadIdentity
from gateway.errors import Refused
from gateway.ports import Gate
from gateway.reasons import Reason
from gateway.settings import Settings
from gateway.values import Value
from gateway.wire import strict_json
from gateway.wire.agents.exchange import Head, Rejected, Reply
from gateway.wire.agents.messages import INVALID_REQUEST, error_body, refusal

METADATA_PATH: Final = "/.well-known/oauth-protected-resource"

NOT_NOW: Final = "who sent this cannot be told now"
RETRY_AFTER: Final = "1"
"""Seconds in which an issuer that did not answer is not asked about the same token again."""

log = logging.getLogger("bulkhead.wire")


class Resource(Value):
    """What the endpoints of a gateway say of themselves to who has no token yet."""

    origin: str
    servers: tuple[str, ...] = ()
    """The authorization servers an agent can get a token from."""
    bound: frozenset[str] = frozenset()
    """Tiers for which each of them must bind its tokens to a key."""
    certificates: bool = False
    """Can a token be bound to a client certificate?"""

    @classmethod
    def of(cls, settings: Settings) -> Resource:
        """From bulkhead.yaml."""
        oauth = [one for one in settings.issuers.values() if one.kind == "oauth"]
        bound = [frozenset[str](one.bound_tiers) for one in oauth]
        return cls(
            settings.origin,
            tuple(one.name for one in oauth),
            frozenset.intersection(*bound) if bound else frozenset(),
            any(one.kind == "mtls" for one in settings.issuers.values()),
        )


def evidence_of(head: Head, endpoint: Endpoint, certificate: bytes = b"") -> Evidence:
    """What a head shows of who sent it, and the connection it came on."""
    return Evidence(
        authorization=head.every("authorization"),
        endpoint=endpoint,
        proofs=head.every("dpop"),
        method=head.method,
        path=head.path,
        certificate=certificate,
    )


async def identify(gate: Gate, evidence: Evidence, resource: Resource) -> WorkloadIdentity:
    """Who sent this. Raises `Rejected` (401, 403, 503)."""
    try:
        return await gate.identify(evidence)
    except Refused as refused:
        log.info("not identified at %s: %s", evidence.endpoint.path, refused.reason)
        raise challenge(refused.reason, evidence.endpoint, resource) from None


def challenge(reason: Reason, endpoint: Endpoint, resource: Resource) -> Rejected:
    """401; 403 when the token is good but not good enough; 503 when nobody could say whether it is."""
    if reason is Reason.ISSUER_SILENT:
        body = error_body(None, refusal(INVALID_REQUEST, NOT_NOW))
        return Rejected(Reply(503, body, (("retry-after", RETRY_AFTER),)))
    scope = " ".join(scopes(endpoint))
    metadata = f"{resource.origin}{METADATA_PATH}{endpoint.path}"
    parts = [f'resource_metadata="{metadata}"', f'scope="{scope}"']
    scheme, status, message = "Bearer", 401, "a bearer token for this endpoint is needed"
    if reason is Reason.INSUFFICIENT_SCOPE:
        status, message = 403, "the token's scope does not reach this endpoint"
        parts.insert(0, 'error="insufficient_scope"')
    elif reason is Reason.BAD_PROOF:
        scheme, message = "DPoP", "a token bound to a key, and a proof of the key, are needed"
        parts[:0] = ['error="invalid_dpop_proof"', f'algs="{" ".join(PROOFS)}"']
    elif reason is not Reason.NO_TOKEN:
        parts.insert(0, 'error="invalid_token"')
    body = error_body(None, refusal(INVALID_REQUEST, message))
    return Rejected(Reply(status, body, (("www-authenticate", f"{scheme} {', '.join(parts)}"),)))


def scopes(endpoint: Endpoint) -> tuple[str, ...]:
    """The scopes that reach an endpoint, one for each tier it serves."""
    return tuple(f"mcp:{tier}" for tier in Tier if tier in endpoint.tiers)


def metadata(endpoint: Endpoint, resource: Resource) -> Reply:
    """The protected resource's metadata. The same for a server that does not exist: it tells nothing."""
    document: JsonObject = {
        "resource": f"{resource.origin}{endpoint.path}",
        "bearer_methods_supported": ["header"],
        "scopes_supported": list(scopes(endpoint)),
    }
    if resource.servers:
        document["authorization_servers"] = [*resource.servers]
        document["dpop_signing_alg_values_supported"] = [*PROOFS]
        document["dpop_bound_access_tokens_required"] = endpoint.tiers <= resource.bound
    if resource.certificates:
        document["tls_client_certificate_bound_access_tokens"] = True
    return Reply(200, strict_json.dumps(document), (("cache-control", "public, max-age=300"),))
