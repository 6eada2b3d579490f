"""Tokens that only their issuer can read, and what its answer about one must be before it is read as claims. Pure.

Profile: RFC 6750 2.1, RFC 7662 2.2, RFC 9449 6.2. Times, audience, scope and names are checked as a JWT's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.identity.presented import bad

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_TYPES: Final = ("bearer", "dpop")
_ONE_TOKENS: Final = ("sub", "client_id", "jti", "exp", "cnf")
"""What an issuer says of a token when it signs it, and when it is asked: the same."""


def looks_like_jwt(token: str) -> bool:
    """Law: what could be another issuer's JWT, well-formed or not, is shown to nobody. Each begins with `{`."""
    return token.count(".") == 2 and token.startswith("e")


def check_opaque(token: str) -> str:
    """The token, if it is one. Raises `Refused` (bad_token)."""
    if not _TOKEN.fullmatch(token):
        bad("token is not one that a header may carry")
    return token


def told_of(said: Mapping[str, Any], issuer: str, token: str) -> Mapping[str, Any]:
    """The claims in an answer that says the token is active. Raises `Refused` (bad_token)."""
    if said.get("iss", issuer) != issuer:
        bad("its issuer's answer is about another issuer's token")
    kind = said.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        bad("its issuer says it is of another type than access tokens are")
    if kind.lower() == "dpop" and "cnf" not in said:
        bad("its issuer says it is bound to a key, and not to which")
    # Several servers number a token by itself, and numbers are written down.
    return {name: value for name, value in said.items() if name != "jti" or value != token}


def check_same(said: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    """Is an answer about the JWT it was given for? Raises `Refused` (bad_token)."""
    for name in _ONE_TOKENS:
        # Several servers say who the client is (`azp` in the token) only when they are asked.
        is_said = name in said and (name in claims or name == "cnf")
        if is_said and said[name] != claims.get(name):
            bad(f"its issuer's answer has another {name} than the token")
