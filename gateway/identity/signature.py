"""Is a token signed by a key, and by which one of an issuer's? PyJWT looks at the signature, and at nothing else.

PyJWT does not know Ed25519 by its newer name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import jwt
from jwt.algorithms import OKPAlgorithm

from gateway.errors import Refused
from gateway.identity.presented import NAMES, Presented, bad
from gateway.identity.profile import VerificationKey
from gateway.reasons import Reason

_SIGNATURES: Final = jwt.PyJWS()
_SIGNATURES.register_algorithm("Ed25519", OKPAlgorithm())


def signed_by(
    token: Presented,
    whose: str,
    algorithms: frozenset[str],
    find: Callable[[str], VerificationKey | None],
) -> VerificationKey:
    """The key that has signed it. `whose`: what its owner is called in a refusal; `find`: the owner's key by id.

    Raises `Refused` (bad_token, unknown_key)."""
    if token.algorithm not in algorithms:
        bad(f"algorithm is not accepted from this {whose}")
    key = find(token.kid)
    if key is None:
        raise Refused(Reason.UNKNOWN_KEY, f"{whose} has no such key")
    if key.algorithm != token.algorithm:
        bad("algorithm is not the key's")
    if not is_signed(token.text, key):
        bad("signature does not verify")
    return key


def is_signed(text: str, key: VerificationKey) -> bool:
    """By this key, with its one algorithm."""
    named = [name for name, here in NAMES.items() if here == key.algorithm]
    try:
        _SIGNATURES.decode(text, key.public, algorithms=[key.algorithm, *named])
    except jwt.PyJWTError:
        return False
    return True
