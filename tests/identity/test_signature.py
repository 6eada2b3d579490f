"""Who has signed: one key, one algorithm, by whichever of its names."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.identity.profile import VerificationKey
from gateway.identity.signature import is_signed
from tests.identity import idp
from tests.identity.test_jwt import b64

OURS, OTHERS, ANOTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate(), idp.new_key()
KEYS = {
    "ours": VerificationKey("EdDSA", OURS.public_key()),
    "others": VerificationKey("EdDSA", OTHERS.public_key()),
    "another kind": VerificationKey("ES256", ANOTHER.public_key()),
}


def signed(algorithm: str) -> str:
    text = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": algorithm}, {}))
    return f"{text}.{b64(OURS.sign(text.encode()))}"


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_ed25519_verifies_by_both_its_names_and_with_its_own_key_alone(name: str) -> None:
    by = [which for which, key in KEYS.items() if is_signed(signed(name), key)]
    assert by == ["ours"]


@pytest.mark.parametrize("name", ["none", "HS256", "ES256", "Ed448", "ed25519", ""])
def test_no_other_name_makes_a_signature(name: str) -> None:
    assert not is_signed(signed(name), KEYS["ours"])
