"""The embedded issuer: short-lived tokens for agents on this machine, without an identity provider.

It mints for one endpoint at a time and knows no policy. It works on loopback only: past one machine,
tokens come from an issuer that is not a file beside the gateway.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jwt

from gateway.config.addresses import is_loopback
from gateway.config.issuers import AGENT, AGENT_IN_WORDS, WORD, WORD_IN_WORDS
from gateway.core.model import Endpoint, Tier
from gateway.errors import Misconfigured, Where
from gateway.identity.keys import SigningKey, open_keys, read_keys, signing_key
from gateway.identity.profile import (
    MAX_TTL,
    MAX_TTL_ADMIN,
    Claimed,
    IssuerProfile,
    VerificationKey,
    known_again,
    text_claim,
)

DEFAULT_TTL: Final = 900
"""Seconds."""
ALGORITHM: Final = "EdDSA"
TYPE: Final = "at+jwt"


class LocalIssuer:
    """Mints tokens, and gives the verifier the profile to check them by."""

    def __init__(self, directory: Path, origin: str, install: str, keys: tuple[SigningKey, ...]):
        self.issuer = f"urn:bulkhead:{install}"
        self._directory = directory
        self._origin = origin.rstrip("/")
        self._public: dict[str, VerificationKey] = {}
        self._hold(keys)

    @classmethod
    def open(cls, state_dir: Path, origin: str, now: int | None = None) -> LocalIssuer:
        """The issuer of this state directory; its key is made on first start.

        `now`: seconds since the epoch, the clock's when left out. Raises `Misconfigured`: an origin
        beyond loopback, keys others could read, a directory that cannot be written.
        """
        refuse_beyond_loopback(urlsplit(origin).hostname or "")
        directory = state_dir / "issuer"
        install, keys = open_keys(directory, int(time.time()) if now is None else now)
        return cls(directory, origin, install, keys)

    @property
    def profile(self) -> IssuerProfile:
        """How tokens of this issuer are verified; it follows `refresh`."""
        return IssuerProfile(
            issuer=self.issuer,
            key=lambda kid: self._public.get(kid),
            claimed=_claimed,
            algorithms=frozenset({ALGORITHM}),
            types=frozenset({TYPE}),
        )

    def refresh(self) -> None:
        """Read the keys again: a running gateway does so every `keys.SETTLE / 2` seconds or oftener.

        Takes up a rotated key before it signs, and drops keys whose file is gone. Raises `Misconfigured`
        for keys that cannot be trusted or read; no token is believed then until they can.
        """
        try:
            self._hold(read_keys(self._directory))
        except Misconfigured:
            self._hold(())
            raise

    def mint(
        self,
        *,
        agent: str,
        endpoint: Endpoint,
        tiers: Set[Tier],
        tenant: str,
        task: str,
        intent: str,
        now: int,
        ttl: int = DEFAULT_TTL,
        grant: str = "",
    ) -> str:
        """A token for one agent at one endpoint. `ttl` and `now` in seconds. Raises `Misconfigured`."""
        _check_tiers(endpoint, tiers)
        _check_ttl(endpoint, ttl)
        subject = {"sub": agent, "tenant": tenant, "task": task, "intent": intent}
        subject |= {"grant": grant} if grant else {}
        _check_names(subject)
        if not self._keys:
            raise Misconfigured(
                "the embedded issuer's keys are gone", hint="start the gateway again"
            )
        key = signing_key(self._keys, now)
        claims = {
            **subject,
            "iss": self.issuer,
            "aud": self._origin + endpoint.path,
            "client_id": agent,
            "scope": " ".join(f"mcp:{tier}" for tier in sorted(tiers)),
            "iat": now,
            "exp": now + ttl,
            "jti": secrets.token_urlsafe(16),
        }
        headers = {"typ": TYPE, "kid": key.kid}
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers=headers)

    def _hold(self, keys: tuple[SigningKey, ...]) -> None:
        read = {key.kid: VerificationKey(ALGORITHM, key.private.public_key()) for key in keys}
        self._public = known_again(self._public, read)
        self._keys = keys


def refuse_beyond_loopback(host: str, where: Where | None = None) -> None:
    """Raises `Misconfigured` unless the host is this machine's loopback."""
    if not is_loopback(host):
        raise Misconfigured(
            f"the embedded issuer serves loopback only, not {host!r}",
            where,
            hint="name issuers, or have listen and public_url on 127.0.0.1, [::1] or localhost",
        )


def _claimed(claims: Mapping[str, Any]) -> Claimed:
    return Claimed(
        agent=text_claim(claims, "sub", AGENT),
        tenant=text_claim(claims, "tenant", WORD),
        task=text_claim(claims, "task", WORD),
        intent=text_claim(claims, "intent", WORD),
        grant=text_claim(claims, "grant", WORD) if "grant" in claims else "",
    )


def _check_tiers(endpoint: Endpoint, tiers: Set[Tier]) -> None:
    if not tiers or not tiers <= endpoint.tiers:
        reachable = ", ".join(sorted(endpoint.tiers))
        raise Misconfigured(f"a token for {endpoint.path} carries one or more of: {reachable}")


def _check_names(subject: Mapping[str, str]) -> None:
    for name, value in subject.items():
        is_agent = name == "sub"
        if not (AGENT if is_agent else WORD).fullmatch(value):
            said = f"{'agent' if is_agent else name}: {value!r} is not a name a token can carry"
            raise Misconfigured(said, hint=AGENT_IN_WORDS if is_agent else WORD_IN_WORDS)


def _check_ttl(endpoint: Endpoint, ttl: int) -> None:
    longest = MAX_TTL_ADMIN if endpoint.tier is Tier.ADMIN else MAX_TTL
    if not 0 < ttl <= longest:
        raise Misconfigured(f"a token for {endpoint.path} lives 1 to {longest} seconds, not {ttl}")
