"""A warrant as a SCITT Signed Statement: COSE_Sign1 (RFC 9052) with its issuer and subject in CWT claims (RFC 9597).

The payload is the same JSON document, proofs and all, so a transparency service can register it and anybody
who has it can still check every word with `verify.py`. Needs the extra `cose`.
"""

from __future__ import annotations

import json
from typing import Any, Final

import cbor2

from gateway.evidence.checkpoint import Notary

ALG: Final = 1
EDDSA: Final = -8
CONTENT_TYPE: Final = 3
KID: Final = 4
CWT_CLAIMS: Final = 15
ISSUER: Final = 1
SUBJECT: Final = 2
SIGN1: Final = 18


def statement(warrant: dict[str, Any], notary: Notary) -> bytes:
    """The signed statement over this warrant (`Registry.warrant`). Issuer: the log; subject: the call."""
    key = notary.key
    protected = cbor2.dumps(
        {
            ALG: EDDSA,
            CONTENT_TYPE: "application/json",
            KID: key.number,
            CWT_CLAIMS: {ISSUER: key.name, SUBJECT: f"call:{warrant['warrant']['call']}"},
        }
    )
    payload = json.dumps(warrant, separators=(",", ":")).encode()
    # Begins with a CBOR array: no signature of a checkpoint or a warrant can be taken for one.
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    return cbor2.dumps(cbor2.CBORTag(SIGN1, [protected, {}, payload, notary.signer.sign(signed)]))
