"""Signed statements, read by somebody else's SCITT library; and what is in them, by our verifier."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from scitt_cose import parse_signed_statement

from gateway.app.warrants import open_registry
from gateway.evidence.checkpoint import Notary
from gateway.evidence.cose import statement
from gateway.evidence.verify import check
from tests.evidence.test_warrant import document, state

__all__ = ["state"]


def pem(notary: Notary) -> bytes:
    key = Ed25519PublicKey.from_public_bytes(notary.key.public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_statement_holds_for_others_and_what_it_says_for_us(state: Path) -> None:
    notary = open_registry(state).notary
    found = parse_signed_statement(
        statement(document(state, "by-child"), notary), public_key_pem=pem(notary)
    )
    assert found["signature_verified"] is True
    assert (found["issuer"], found["subject"]) == (notary.key.name, "call:by-child")
    assert found["content_type"] == "application/json"
    assert check(json.loads(found["payload"]), notary.key)["call"] == "by-child"


def test_a_changed_statement_and_another_key_do_not(state: Path, tmp_path: Path) -> None:
    notary = open_registry(state).notary
    made = statement(document(state, "by-child"), notary)
    changed = made.replace(b"agent:analyst", b"agent:another")
    assert changed != made
    for message, key in ((changed, notary), (made, Notary.open(tmp_path))):
        assert (
            parse_signed_statement(message, public_key_pem=pem(key))["signature_verified"] is False
        )
