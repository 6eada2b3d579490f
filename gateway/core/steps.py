"""Which step of the Line says a refusal's reason, and where an operator looks next. Pure; for operators only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.reasons import Reason
from gateway.values import Value


class Step(Value):
    """One of the fifteen (docs/explanation/the-line.md)."""

    number: int
    name: str
    look: str
    """What would show more, or let it through."""


_POLICY: Final = "what follows: every rule in question, and what it fails on"

STEPS: Final[Mapping[Reason, Step]] = {
    Reason.MALFORMED: Step(1, "parse", "the client's own request"),
    Reason.TOO_LARGE: Step(1, "parse", "limits.max_body"),
    Reason.TOO_DEEP: Step(1, "parse", "limits.max_depth"),
    Reason.NO_TOKEN: Step(2, "identify", "how the client is set up: it sends no token"),
    Reason.BAD_TOKEN: Step(2, "identify", "the token's issuer, and docs/reference/tokens.md"),
    Reason.UNKNOWN_KEY: Step(2, "identify", "where its issuer's keys come from: issuers.<id>.keys"),
    Reason.ISSUER_SILENT: Step(
        2, "identify", "the log: why its issuer does not answer; issuers.<id>.introspection"
    ),
    Reason.BAD_PROOF: Step(
        2, "identify", "the client's DPoP proofs or certificate, and bound_tiers"
    ),
    Reason.EXPIRED_TOKEN: Step(2, "identify", "when the client renews its token"),
    Reason.WRONG_AUDIENCE: Step(2, "identify", "the endpoint the token was minted for"),
    Reason.INSUFFICIENT_SCOPE: Step(2, "identify", "the scopes its issuer gives"),
    Reason.FENCED: Step(3, "fences", "bulkhead fence list"),
    Reason.UNKNOWN_TARGET: Step(4, "resolve", "bulkhead servers list"),
    Reason.QUARANTINED: Step(4, "resolve", "bulkhead servers inspect SERVER"),
    Reason.UNCLASSIFIED: Step(5, "classify", "policies/tiers.yaml"),
    Reason.OTHER_TIER: Step(
        5, "classify", "the endpoint of the call's own tier, and a token for it"
    ),
    Reason.NO_RULE: Step(6, "decide", _POLICY),
    Reason.DENIED_BY_RULE: Step(6, "decide", _POLICY),
    Reason.DECISION_FAILED: Step(6, "decide", "the log: it is a bug"),
    Reason.GRANT_NEEDED: Step(7, "grant", "bulkhead grant create"),
    Reason.OUTSIDE_GRANT: Step(7, "grant", "bulkhead grant show GRANT"),
    Reason.GRANT_OVER: Step(7, "grant", "bulkhead grant list --all"),
    Reason.INVALID_ARGUMENTS: Step(8, "validate", "the approved schema"),
    Reason.MISSING_CAPABILITY: Step(8, "validate", "what the client declares"),
    Reason.NOT_REVERSIBLE: Step(9, "reverse", "bulkhead journal show CALL: level and why"),
    Reason.APPROVAL_NEEDED: Step(9, "approve", "bulkhead approvals show TICKET"),
    Reason.APPROVAL_DENIED: Step(9, "approve", "bulkhead approvals show TICKET"),
    Reason.GRANT_SPENT: Step(10, "spend", "bulkhead grant show GRANT"),
    Reason.FLOW: Step(10, "spend", "bulkhead journal list --task TASK: what it has read"),
    Reason.JOURNAL_UNAVAILABLE: Step(11, "record", "the disk of the state directory"),
    Reason.INTERNAL: Step(11, "record", "the log: it is a bug"),
    Reason.OVERLOADED: Step(11, "record", "what holds the resource, or the limit named"),
    Reason.CREDENTIAL_UNAVAILABLE: Step(12, "credential", "bulkhead credentials list"),
    Reason.SERVER_UNAVAILABLE: Step(13, "forward", "bulkhead servers list"),
    Reason.UNSUPPORTED: Step(13, "forward", "docs/reference/endpoints.md"),
    Reason.OUTCOME_UNKNOWN: Step(14, "settle", "bulkhead journal show CALL"),
}
"""Every reason an operator can find in the journal."""
