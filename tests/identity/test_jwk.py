"""JSON Web Keys: what is a key here, what is none, and one algorithm for each."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from gateway.identity.jwk import NotAKey, read_key, read_set, thumbprint
from tests.identity import idp

EC = idp.jwk(idp.new_key())
OKP = jwt.algorithms.OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key(), as_dict=True)
RSA = jwt.algorithms.RSAAlgorithm.to_jwk(
    generate_private_key(65537, 2048).public_key(), as_dict=True
)
SHORT = jwt.algorithms.RSAAlgorithm.to_jwk(
    generate_private_key(65537, 1024).public_key(), as_dict=True
)

RSA.pop("key_ops", None)
OURS: dict[str, tuple[dict[str, Any], str]] = {
    "P-256": (EC, "ES256"),
    "Ed25519": (OKP, "EdDSA"),
    "Ed25519 by its new name": ({**OKP, "alg": "Ed25519"}, "EdDSA"),
    "RSA": (RSA, "RS256"),
    "RSA that says PS256": ({**RSA, "alg": "PS256"}, "PS256"),
    "of a SPIFFE bundle": ({**EC, "use": "jwt-svid"}, "ES256"),
}


@pytest.mark.parametrize("name", OURS)
def test_a_key_verifies_by_one_algorithm(name: str) -> None:
    jwk, algorithm = OURS[name]
    assert read_key(jwk).algorithm == algorithm


NONE: dict[str, dict[str, Any]] = {
    "a secret": {"kty": "oct", "k": "c2VjcmV0"},
    "a secret dressed as RSA": {**RSA, "k": "c2VjcmV0"},
    "a private key": idp.jwk(idp.new_key(), private=True),
    "for encryption": {**EC, "use": "enc"},
    "for signing only": {**EC, "key_ops": ["sign"]},
    "HMAC by a public key": {**RSA, "alg": "HS256"},
    "none": {**EC, "alg": "none"},
    "an algorithm of another type": {**EC, "alg": "RS256"},
    "an algorithm of another curve": {**EC, "alg": "ES384"},
    "a curve nobody checked": {**EC, "crv": "secp256k1"},
    "a point that is on no curve": {**EC, "y": EC["x"]},
    "a coordinate cut short": {**EC, "x": EC["x"][:-2]},
    "a coordinate padded": {**EC, "x": EC["x"] + "="},
    "RSA of 1024 bits": SHORT,
    "RSA of exponent 1": {**RSA, "e": "AQ"},
    "RSA without an exponent": {name: RSA[name] for name in ("kty", "n")},
    "X25519": {**OKP, "crv": "X25519"},
    "no type": {"kid": "k1"},
    "a type that is a list": {**EC, "kty": ["EC"]},
    "a curve that is a list": {**EC, "crv": ["P-256"]},
    "an algorithm that is an object": {**EC, "alg": {"ES256": True}},
    "uses that are a number": {**EC, "key_ops": 5},
}


@pytest.mark.parametrize("name", NONE)
def test_what_cannot_be_believed_is_no_key(name: str) -> None:
    with pytest.raises(NotAKey):
        read_key(NONE[name])


def test_a_set_keeps_the_keys_it_can_once_and_names_them_by_kid() -> None:
    odd = [{**EC, "kid": "o", "crv": []}, {**EC, "kid": "p", "key_ops": 5}]
    some = [{**EC, "kid": "a"}, {**SHORT, "kid": "b"}, {**OKP, "kid": 7}, RSA, {**RSA, "kid": "c"}]
    keys = [*odd, *some, some[0]]
    assert sorted(read_set({"keys": keys})) == ["a", "c"]


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    """The example of RFC 7638, 3.1."""
    example = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
        "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY36"
        "8QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lF"
        "d2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    }
    assert thumbprint(example) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
