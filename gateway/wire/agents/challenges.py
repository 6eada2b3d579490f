"""Who are you: the 401 and 403 challenges (RFC 6750) and the document that says where to look (RFC 9728).

One outward answer for every token that is not good; which way it was not good is for the operator.
"""

from __future__ import annotations

import logging
from typing import Final

from gateway.core.model import Endpoint, Evidence, JsonObject, Tier, WorkloadIdentity
from gateway.errors import Refused
from gateway.ports import Gate
from gateway.reasons import Reason
from gateway.wire import strict_json
from gateway.wire.agents.exchange import Head, Rejected, Reply
from gateway.wire.agents.messages import INVALID_REQUEST, error_body, refusal

METADATA_PATH: Final = "/.well-known/oauth-protected-resource"

log = logging.getLogger("bulkhead.wire")


def identify(gate: Gate, head: Head, endpoint: Endpoint, origin: str) -> WorkloadIdentity:
    """Who sent this, by its one Authorization header. Raises `Rejected` (401, 403)."""
    try:
        return gate.identify(Evidence(head.every("authorization"), endpoint))
    except Refused as refused:
        log.info("not identified at %s: %s", endpoint.path, refused.reason)
        raise challenge(refused.reason, endpoint, origin) from None


def challenge(reason: Reason, endpoint: Endpoint, origin: str) -> Rejected:
    """401, or 403 when the token is good but not good enough."""
    scope = " ".join(scopes(endpoint))
    metadata = f"{origin}{METADATA_PATH}{endpoint.path}"
    parts = [f'resource_metadata="{metadata}"', f'scope="{scope}"']
    status, message = 401, "a bearer token for this endpoint is needed"
    if reason is Reason.INSUFFICIENT_SCOPE:
        status, message = 403, "the token's scope does not reach this endpoint"
        parts.insert(0, 'error="insufficient_scope"')
    elif reason is not Reason.NO_TOKEN:
        parts.insert(0, 'error="invalid_token"')
    body = error_body(None, refusal(INVALID_REQUEST, message))
    return Rejected(Reply(status, body, (("www-authenticate", f"Bearer {', '.join(parts)}"),)))


def scopes(endpoint: Endpoint) -> tuple[str, ...]:
    """The scopes that reach an endpoint, one for each tier it serves."""
    return tuple(f"mcp:{tier}" for tier in Tier if tier in endpoint.tiers)


def metadata(endpoint: Endpoint, origin: str) -> Reply:
    """The protected resource's metadata. The same for a server that does not exist: it tells nothing."""
    document: JsonObject = {
        "resource": f"{origin}{endpoint.path}",
        "bearer_methods_supported": ["header"],
        "scopes_supported": list(scopes(endpoint)),
    }
    return Reply(200, strict_json.dumps(document), (("cache-control", "public, max-age=300"),))
