"""Proof of possession: a token that is bound to a key is believed only from who has the key.

`cnf.jkt`: a DPoP proof for this very request (RFC 9449), good once. `cnf.x5t#S256`: the client certificate
of the TLS connection (RFC 8705). Proofs are remembered, so that none is taken twice: here those of this process, in
usedproofs.py those of all of its state directory.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final, Literal, NoReturn

from gateway.config.issuers import PROOFS
from gateway.core.model import Evidence
from gateway.errors import Refused
from gateway.identity.claims import seconds
from gateway.identity.jwk import NotAKey, read_key, thumbprint
from gateway.identity.presented import MAX_HEADER, Presented, Scheme, bad, present, sha256_of
from gateway.identity.signature import is_signed
from gateway.identity.usedproofs import UsedProofs
from gateway.reasons import Reason
from gateway.values import Value

WINDOW: Final = 60
"""Seconds a proof's `iat` may be away from now, either way."""
REMEMBERED: Final = 262_144
"""Proofs within the window. One more than that is refused until one is old: none is forgotten early."""
EACH: Final = 16_384
"""The same, of one key: an agent that floods shuts out itself."""


class Binding(Value):
    """What a token is bound to, and its thumbprint (SHA-256, base64url)."""

    to: Literal["jkt", "x5t#S256"]
    thumbprint: str


def binding(claims: Mapping[str, Any]) -> Binding | None:
    """What `cnf` says (RFC 7800). Raises `Refused` (bad_token) for a way that is not known."""
    if "cnf" not in claims:
        return None
    cnf = claims["cnf"]
    if not isinstance(cnf, dict) or len(cnf) != 1:
        bad("claim cnf does not name one key")
    for way in ("jkt", "x5t#S256"):
        value = cnf.get(way)
        if isinstance(value, str) and len(value) == 43:
            return Binding("jkt" if way == "jkt" else "x5t#S256", value)
    bad("claim cnf binds in a way that is not known")


class Proofs:
    """Checks them, and remembers those that were used."""

    def __init__(self, origin: str, shared: UsedProofs | None) -> None:
        """`shared`: with other processes."""
        self._origin = origin
        self._shared = shared
        self._used: set[tuple[str, str]] = set()
        self._order: deque[tuple[int, tuple[str, str]]] = deque()
        self._each: Counter[str] = Counter()

    def check(
        self, bound: Binding, scheme: Scheme, token: str, evidence: Evidence, now: int
    ) -> None:
        """Raises `Refused` (bad_token, bad_proof)."""
        if bound.to == "x5t#S256":
            if scheme != "bearer" or certificate_thumbprint(evidence) != bound.thumbprint:
                _no("token is bound to a client certificate, and came without it")
        elif scheme == "bearer":
            bad("token is bound to a key and was sent as a bearer token")
        else:
            proof = self._read(evidence, bound.thumbprint)
            self._check_claims(proof.claims, token, evidence, now)
            self._use(bound.thumbprint, proof.claims, now)

    def _read(self, evidence: Evidence, thumb: str) -> Presented:
        """The one proof, signed with the key it carries, which is the token's."""
        if len(evidence.proofs) != 1:
            _no("not exactly one DPoP header")
        text = evidence.proofs[0]
        if len(text) > MAX_HEADER or not text.isascii():
            _no("DPoP header is too large or not ASCII")
        proof = _proof(text)
        try:
            key = read_key(proof.jwk)
            if proof.algorithm not in PROOFS or proof.algorithm != key.algorithm:
                _no("proof's algorithm is not its key's")
            if thumbprint(proof.jwk) != thumb:
                _no("proof is by another key than the token's")
        except NotAKey as error:
            _no(f"proof's key: {error}")
        if not is_signed(text, key):
            _no("proof's signature does not verify")
        return proof

    def _check_claims(
        self, claims: Mapping[str, Any], token: str, evidence: Evidence, now: int
    ) -> None:
        if not evidence.method or claims.get("htm") != evidence.method:
            _no("proof is for another method")
        if claims.get("htu") != self._origin + evidence.path:
            _no("proof is for another address")
        made = seconds(claims.get("iat"))
        if made is None or abs(made - now) > WINDOW:
            _no("proof is not of now")
        if self._shared is not None and made < self._shared.since:
            _no("proof is older than the memory of used ones")
        if claims.get("ath") != sha256_of(token.encode()):
            _no("proof is for another token")

    def _use(self, thumb: str, claims: Mapping[str, Any], now: int) -> None:
        name = claims.get("jti")
        if not isinstance(name, str) or not 0 < len(name) <= 255:
            _no("proof's jti is missing or malformed")
        while self._order and self._order[0][0] + 2 * WINDOW < now:
            self._forget(self._order.popleft()[1])
        if (thumb, name) in self._used:
            _no("proof was used before")
        if len(self._order) >= REMEMBERED or self._each[thumb] >= EACH:
            _no("too many proofs at once")
        if self._shared is not None:
            used = self._shared.take(f"{thumb} {name}".encode(), now + 2 * WINDOW, now)
            if used:
                _no(used)
        self._used.add((thumb, name))
        self._order.append((now, (thumb, name)))
        self._each[thumb] += 1

    def _forget(self, used: tuple[str, str]) -> None:
        self._used.discard(used)
        self._each[used[0]] -= 1
        if not self._each[used[0]]:
            del self._each[used[0]]


def _proof(text: str) -> Presented:
    try:
        proof = present(text, frozenset({"jwk"}))
    except Refused as fault:
        _no(f"proof: {fault.detail}")
    if proof.type != "dpop+jwt" or not isinstance(proof.jwk, dict):
        _no("proof is not of type dpop+jwt with a key")
    return proof


def certificate_thumbprint(evidence: Evidence) -> str:
    """`x5t#S256` of the client's certificate; of none, what no token is bound to."""
    return sha256_of(evidence.certificate) if evidence.certificate else ""


def _no(detail: str) -> NoReturn:
    raise Refused(Reason.BAD_PROOF, detail)
