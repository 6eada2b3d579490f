"""Is a token signed by a key? PyJWT looks at the signature, and at nothing else.

PyJWT does not know Ed25519 by its newer name.
"""

from __future__ import annotations

from typing import Final

import jwt
from jwt.algorithms import OKPAlgorithm

from gateway.identity.presented import NAMES
from gateway.identity.profile import VerificationKey

_SIGNATURES: Final = jwt.PyJWS()
_SIGNATURES.register_algorithm("Ed25519", OKPAlgorithm())


def is_signed(text: str, key: VerificationKey) -> bool:
    """By this key, with its one algorithm."""
    named = [name for name, here in NAMES.items() if here == key.algorithm]
    try:
        _SIGNATURES.decode(text, key.public, algorithms=[key.algorithm, *named])
    except jwt.PyJWTError:
        return False
    return True
