"""JSON Web Keys (RFC 7517, 7518, 8037): a public key with the one algorithm it verifies, or a reason why not.

Pure. A key verifies by one algorithm: its own `alg`, or the usual one of its type. It knows no token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from gateway.errors import Refused
from gateway.identity.presented import NAMES, sha256_of, unpadded
from gateway.identity.profile import PublicKey, VerificationKey

MAX_KEYS: Final = 64
RSA_BITS: Final = range(2048, 8192 + 1)
PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CURVES: Final[Mapping[str, tuple[EllipticCurve, int, str]]] = {
    "P-256": (SECP256R1(), 32, "ES256"),
    "P-384": (SECP384R1(), 48, "ES384"),
}
_THUMBED: Final = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
}


class NotAKey(ValueError):
    """The message says why, in few words."""


def read_key(jwk: Mapping[str, Any]) -> VerificationKey:
    """The key and its algorithm. Raises `NotAKey`."""
    _check_types(jwk)
    if not PRIVATE.isdisjoint(jwk):
        raise NotAKey("it has a private part")
    if jwk.get("use", "sig") not in ("sig", "jwt-svid"):
        raise NotAKey("it is not for signatures")
    if "verify" not in jwk.get("key_ops", ("verify",)):
        raise NotAKey("it may not verify")
    try:
        public, usual = _public(jwk)
    except Refused:
        raise NotAKey("a number in it is not canonical base64url") from None
    except ValueError as error:
        raise NotAKey(str(error)) from None
    said = jwk.get("alg", usual[0])
    algorithm = NAMES.get(said, said)
    if algorithm not in usual:
        raise NotAKey(f"its alg is none of {', '.join(usual)}")
    return VerificationKey(algorithm, public)


def read_set(document: Mapping[str, Any]) -> dict[str, VerificationKey]:
    """The keys of a JWK Set by `kid`; those that cannot verify signatures here are left out.

    Raises `NotAKey` for what is no set, one too large, or two keys of one name."""
    keys = document.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise NotAKey("no JWK Set")
    if len(keys) > MAX_KEYS:
        raise NotAKey(f"more than {MAX_KEYS} keys")
    found: dict[str, VerificationKey] = {}
    for jwk in keys:
        kid = jwk.get("kid")
        try:
            key = read_key(jwk)
        except NotAKey:
            continue
        if not isinstance(kid, str) or not kid:
            continue
        if found.get(kid, key) != key:
            raise NotAKey("two keys of one kid")
        found[kid] = key
    return found


def of_public(public: Any) -> VerificationKey:
    """A key somebody else has read, with the usual algorithm of its type. Raises `NotAKey`."""
    match public:
        case RSAPublicKey():
            _check_size(public.public_numbers())
            return VerificationKey("RS256", public)
        case EllipticCurvePublicKey():
            for curve, _, algorithm in _CURVES.values():
                if curve.name == public.curve.name:
                    return VerificationKey(algorithm, public)
        case Ed25519PublicKey():
            return VerificationKey("EdDSA", public)
    raise NotAKey("a type that is not accepted")


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638, SHA-256, of a key that `read_key` has read."""
    members = {name: jwk[name] for name in _THUMBED[jwk["kty"]]}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return sha256_of(canonical.encode())


def _public(jwk: Mapping[str, Any]) -> tuple[PublicKey, tuple[str, ...]]:
    """The key and the algorithms it is good for, the usual one first."""
    match jwk.get("kty"):
        case "RSA":
            numbers = RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n"))
            _check_size(numbers)
            return numbers.public_key(), ("RS256", "PS256")
        case "EC":
            if jwk.get("crv") not in _CURVES:
                raise NotAKey("a curve that is not accepted")
            curve, size, algorithm = _CURVES[jwk["crv"]]
            x, y = (_bytes(jwk, name, size) for name in ("x", "y"))
            point = EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve)
            return point.public_key(), (algorithm,)
        case "OKP":
            if jwk.get("crv") != "Ed25519":
                raise NotAKey("a curve that is not accepted")
            return Ed25519PublicKey.from_public_bytes(_bytes(jwk, "x", 32)), ("EdDSA",)
    raise NotAKey("a type that is not accepted")


def _check_types(jwk: Mapping[str, Any]) -> None:
    """Whoever shows a key may have written anything where a word is looked up."""
    words = all(isinstance(jwk.get(name, ""), str) for name in ("kty", "crv", "alg", "use"))
    if not words or not isinstance(jwk.get("key_ops", []), list):
        raise NotAKey("a member of it is of another type than it has to be")


def _check_size(numbers: RSAPublicNumbers) -> None:
    if numbers.n.bit_length() not in RSA_BITS or not 3 <= numbers.e < 2**32:
        raise NotAKey("an RSA key of a size that is not accepted")


def _number(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_bytes(jwk, name))


def _bytes(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise NotAKey(f"{name} is missing")
    raw = unpadded(value, name)
    if size is not None and len(raw) != size:
        raise NotAKey(f"{name} has not {size} bytes")
    return raw
