"""The agents' own tokens, as long as they are good and no longer."""

from __future__ import annotations

from gateway.core.credential import Account
from gateway.core.model import Endpoint, Evidence, Tier, WorkloadIdentity
from gateway.credentials import tokens
from gateway.credentials.tokens import Tokens
from gateway.values import replace

ENDPOINT = Endpoint("all")
ANN = WorkloadIdentity(
    "issuer", "agent:ann", "local", "T-1", "general", frozenset({Tier.DATA}), "jti-1", 1_000
)
ACCOUNT = Account(
    "issuer", "local", "agent:ann", "T-1", (), Tier.DATA, None, "jti-1", ENDPOINT.path
)


def shown(*values: str) -> Evidence:
    return Evidence(values, ENDPOINT)


def test_a_token_is_found_for_the_call_it_came_with_until_it_is_over() -> None:
    now = [0]
    kept = Tokens(lambda: now[0])
    kept.note(shown("Bearer the.token.itself"), ANN)
    assert kept.find(ACCOUNT) == "the.token.itself"
    others = (
        replace(ACCOUNT, token="jti-2"),
        replace(ACCOUNT, issuer="x"),
        replace(ACCOUNT, endpoint="/admin/mcp"),
    )
    assert [kept.find(other) for other in others] == ["", "", ""]
    now[0] = 1_000
    assert kept.find(ACCOUNT) == ""
    now[0] = 0
    assert kept.find(ACCOUNT) == ""


def test_who_is_identified_by_something_else_has_none() -> None:
    kept = Tokens(lambda: 0)
    kept.note(shown(), ANN)
    assert kept.find(ACCOUNT) == ""


def test_the_oldest_are_forgotten() -> None:
    kept = Tokens(lambda: 0)
    for number in range(tokens.MOST + 1):
        kept.note(shown("Bearer x"), replace(ANN, token_id=f"jti-{number}"))
    assert kept.find(replace(ACCOUNT, token="jti-0")) == ""
    assert kept.find(replace(ACCOUNT, token="jti-1")) == "x"


def test_for_who_is_the_same_for_longer_than_any_token_one_is_made_each_time() -> None:
    now = [0]
    kept = Tokens(lambda: now[0])
    kept.note(shown("Bearer the.first"), ANN)
    kept.mints(ENDPOINT, ANN, lambda: f"made.at.{now[0]}")
    now[0] = 5_000
    assert kept.find(ACCOUNT) == "made.at.5000"
    assert kept.find(replace(ACCOUNT, token="jti-2")) == ""
