"""An Authorization header becomes a presented token: every part read strictly, none of it believed.

Pure. It refuses what a JWT library lets through (padding, duplicate claims, `jku`, megabytes), so that
the library only ever sees a token with one possible reading. It knows no issuer and no key.
Profile: RFC 6750 2.1, RFC 7515, RFC 9068.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NoReturn

from pydantic_core import from_json

from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import Value

MAX_HEADER: Final = 8 * 1024
"""Bytes of the whole Authorization value. Ordinary front ends (nginx, node) stop at 8 KiB too."""
MAX_KID: Final = 256
Scheme = Literal["bearer", "dpop"]

NAMES: Final[Mapping[str, str]] = {"Ed25519": "EdDSA"}
"""What an algorithm is called here, by what it is called since RFC 9864."""

# Header members that make a verifier fetch, trust or skip something: RFC 8725 3.10, RFC 7797.
FORBIDDEN_HEADER: Final = ("jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "cty")

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")


class Presented(Value):
    """A well-formed token: what it says, not what is so."""

    text: str
    algorithm: str
    """As it is called here."""
    type: str
    """`typ` in lower case; empty when there is none."""
    kid: str
    claims: Mapping[str, Any]
    jwk: Any
    """The key a proof carries; None: it carries none."""


def credential(values: Sequence[str]) -> tuple[Scheme, str]:
    """Scheme and token of the one Authorization header. Raises `Refused` (no_token, bad_token)."""
    if not values:
        raise Refused(Reason.NO_TOKEN, "no Authorization header")
    if len(values) > 1:
        bad("more than one Authorization header")
    value = values[0]
    if len(value) > MAX_HEADER:
        bad(f"Authorization header larger than {MAX_HEADER} bytes")
    if not value.isascii():
        bad("Authorization header is not ASCII")
    scheme, space, token = value.partition(" ")
    if scheme.lower() not in ("bearer", "dpop") or not space:
        bad("scheme is neither Bearer nor DPoP")
    return ("dpop" if scheme.lower() == "dpop" else "bearer"), token


def present(token: str, allowed: frozenset[str] = frozenset()) -> Presented:
    """The token taken apart. Raises `Refused` (bad_token).

    `allowed`: what of `FORBIDDEN_HEADER` this kind of token may have: a proof carries its own key.
    """
    segments = token.split(".")
    if len(segments) != 3:
        bad("token has not three segments")
    header = json_object(unpadded(segments[0], "header"), "header")
    claims = json_object(unpadded(segments[1], "payload"), "payload")
    unpadded(segments[2], "signature")
    for member in FORBIDDEN_HEADER:
        if member in header and member not in allowed:
            bad(f"header member {member} is not accepted")
    return Presented(
        text=token,
        algorithm=NAMES.get(_text(header, "alg"), _text(header, "alg")),
        type=_text(header, "typ").lower() if "typ" in header else "",
        kid="" if "jwk" in header else _text(header, "kid"),
        claims=claims,
        jwk=header.get("jwk"),
    )


def bad(detail: str) -> NoReturn:
    """Raises `Refused` (bad_token) with this detail for the operator."""
    raise Refused(Reason.BAD_TOKEN, detail)


def unpadded(segment: str, part: str) -> bytes:
    """Canonical base64url without padding: exactly one spelling decodes to these bytes."""
    if not _BASE64URL.fullmatch(segment):
        bad(f"{part} is not base64url without padding")
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        bad(f"{part} is not base64url without padding")
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != segment.encode():
        bad(f"{part} is not canonical base64url")
    return raw


def sha256_of(raw: bytes) -> str:
    """SHA-256 in base64url without padding: how tokens name keys and one another (RFC 7638, 8705, 9449)."""
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def json_object(raw: bytes, part: str) -> dict[str, Any]:
    """One JSON object, read strictly. Raises `Refused` (bad_token)."""
    try:
        from_json(raw)  # 200 levels at most, whichever Python reads the rest
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        bad(f"{part} is not strict JSON: {error}")
    if not isinstance(value, dict):
        bad(f"{part} is not a JSON object")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _text(header: Mapping[str, Any], name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_KID:
        bad(f"header member {name} is missing or malformed")
    return value
