"""Reason codes: the only words an agent gets for a "no". Documented one by one in docs/reference/reasons.md.

A code names the step that refused, never the policy behind it.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a call was refused (agent-facing) or, for `ALLOWED_BY_RULE`, why it was not."""

    ALLOWED_BY_RULE = "allowed_by_rule"

    # Step 1, parse. The body could not be believed.
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"

    # Step 2, identify. One outward answer (401) for what is not good; the code is for the operator.
    NO_TOKEN = "no_token"
    BAD_TOKEN = "bad_token"
    UNKNOWN_KEY = "unknown_key"
    ISSUER_SILENT = "issuer_silent"
    BAD_PROOF = "bad_proof"
    EXPIRED_TOKEN = "expired_token"
    WRONG_AUDIENCE = "wrong_audience"
    INSUFFICIENT_SCOPE = "insufficient_scope"

    # Steps 4 to 8. Unknown, hidden, quarantined and denied look the same outside: NOT_AVAILABLE.
    NOT_AVAILABLE = "not_available"
    UNKNOWN_TARGET = "unknown_target"
    QUARANTINED = "quarantined"
    UNCLASSIFIED = "unclassified"
    OTHER_TIER = "other_tier"
    NO_RULE = "no_rule"
    DENIED_BY_RULE = "denied_by_rule"
    DECISION_FAILED = "decision_failed"
    INVALID_ARGUMENTS = "invalid_arguments"
    MISSING_CAPABILITY = "missing_capability"

    # Steps 3, 7 and 10. Told apart, and only to who may make the call by policy.
    FENCED = "fenced"
    GRANT_NEEDED = "grant_needed"
    OUTSIDE_GRANT = "outside_grant"
    GRANT_OVER = "grant_over"
    GRANT_SPENT = "grant_spent"
    FLOW = "flow"

    # The duty `approve`. Told apart: the agent is to wait, or to give up.
    APPROVAL_NEEDED = "approval_needed"
    APPROVAL_DENIED = "approval_denied"

    # Step 9. Told apart: the caller may do this, only not where it could not be undone.
    NOT_REVERSIBLE = "not_reversible"

    # Steps 11 to 15.
    JOURNAL_UNAVAILABLE = "journal_unavailable"
    SERVER_UNAVAILABLE = "server_unavailable"
    CREDENTIAL_UNAVAILABLE = "credential_unavailable"
    OUTCOME_UNKNOWN = "outcome_unknown"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"
    UNSUPPORTED = "unsupported"


UNTOLD = frozenset(
    {
        Reason.UNKNOWN_TARGET,
        Reason.QUARANTINED,
        Reason.UNCLASSIFIED,
        Reason.OTHER_TIER,
        Reason.NO_RULE,
        Reason.DENIED_BY_RULE,
        Reason.DECISION_FAILED,
    }
)
"""Reasons an agent may not tell apart: each would say whether a hidden tool exists."""


def told(reason: Reason) -> Reason:
    """The reason as an agent hears it."""
    return Reason.NOT_AVAILABLE if reason in UNTOLD else reason
