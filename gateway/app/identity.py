"""Wires who is believed: the issuers of bulkhead.yaml, the keys of each, and the one verifier over all of them."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import anyio

from gateway.app.meanwhile import meanwhile
from gateway.config.issuers import From, IssuerSettings, KeySettings, finite
from gateway.core.model import Endpoint, JsonObject
from gateway.errors import Misconfigured, Where
from gateway.identity.jwt import JwtVerifier
from gateway.identity.keycache import KeyCache
from gateway.identity.keys import SETTLE
from gateway.identity.kinds import profile
from gateway.identity.local import LocalIssuer, refuse_beyond_loopback
from gateway.identity.profile import IssuerProfile, Kept, Keys
from gateway.identity.usedproofs import UsedProofs
from gateway.ports import Verifier
from gateway.settings import Settings
from gateway.values import Value

if TYPE_CHECKING:  # each kind of issuer and proof is loaded where bulkhead.yaml names one
    from gateway.app.introspection import Asked
    from gateway.identity.sets import Transmitter

WARM: Final = 5.0
"""Seconds a start waits for the issuers' keys. Whoever comes before they are here is refused."""
DISCOVERY: Final = "/.well-known/openid-configuration"
SSF_DISCOVERY: Final = "/.well-known/ssf-configuration"

log = logging.getLogger("bulkhead.identity")


class Identities(Value):
    """Whom a gateway believes."""

    verifier: Verifier
    local: LocalIssuer | None
    """The embedded issuer, where it is on."""
    keys: Mapping[str, Keys]
    """By issuer id: of those whose tokens are JWTs."""
    asked: Mapping[str, Asked]
    """By issuer id: of those that are asked about their tokens."""
    transmitters: Sequence[Transmitter]
    """Who is believed about identities that were stolen or have ended."""
    used: UsedProofs | None
    """Where there can be tokens that are bound to a key."""

    @classmethod
    def open(cls, settings: Settings) -> Identities:
        """Reads what is in files and fetches nothing yet. Raises `Misconfigured`."""
        keys = {
            id: _keys_of(one, settings)
            for id, one in settings.issuers.items()
            if one.kind != "mtls" and not one.opaque
        }
        asked = _asked(settings)
        profiles = [
            profile(one, keys.get(id), settings.tenant, asked[id].answers if id in asked else None)
            for id, one in settings.issuers.items()
            if one.kind != "mtls"
        ]
        local = open_local(settings) if settings.embedded else None
        if local is not None:
            profiles.append(local.profile)
        used = _used(settings)
        verifier = _verifier(settings, profiles, used)
        return cls(verifier, local, keys, asked, _transmitters(settings), used)

    @property
    def minting(self) -> LocalIssuer:
        """The embedded issuer. Raises `Misconfigured` where it is off."""
        if self.local is None:
            raise _off()
        return self.local

    def status(self) -> JsonObject:
        """For /readyz: counted, not named."""
        silent = {id for id, one in self.keys.items() if not one.alive}
        silent |= {id for id, one in self.asked.items() if not one.answers.alive}
        return {"trusted": len(self.keys.keys() | self.asked.keys()), "silent": len(silent)}

    @property
    def ready(self) -> bool:
        """Can anybody be believed? An issuer that is asked about tokens may answer at any time."""
        alive = any(one.alive for one in self.keys.values())
        return (
            alive or not self.keys or self.local is not None or bool(self.asked.keys() - self.keys)
        )

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Keys are kept fresh while this is entered."""
        refreshing = [_refresh(self.local)] if self.local else []
        kept: list[Kept] = [*self.keys.values(), *(one.answers for one in self.asked.values())]
        try:
            async with meanwhile(*refreshing), kept_fresh(kept):
                yield
        finally:
            for one in self.asked.values():
                await one.endpoint.aclose()
            if self.used is not None:
                self.used.close()


@asynccontextmanager
async def kept_fresh(keys: Collection[Kept]) -> AsyncIterator[None]:
    """Keys are looked at before this is entered, if that is quick, and as long as it is."""
    if keys:
        with anyio.move_on_after(WARM):
            async with anyio.create_task_group() as tasks:
                for each in keys:
                    tasks.start_soon(each.look)
    async with meanwhile(*(each.keep() for each in keys)):
        await asyncio.sleep(0)  # each has begun: over stdio the first caller is there at once
        yield


def open_local(settings: Settings, now: int | None = None) -> LocalIssuer:
    """The embedded issuer. Raises `Misconfigured` where it is off, and beyond loopback."""
    if not settings.embedded:
        raise _off()
    for host in (settings.host, urlsplit(settings.origin).hostname or ""):
        refuse_beyond_loopback(host, settings.where)
    return LocalIssuer.open(settings.state_dir, settings.origin, now)


def _off() -> Misconfigured:
    return Misconfigured(
        "the embedded issuer is off",
        hint="get a token from an issuer that bulkhead.yaml names, or set embedded_issuer: true",
    )


def _transmitters(settings: Settings) -> list[Transmitter]:
    """Raises `Misconfigured`."""
    if not settings.transmitters:
        return []
    from gateway.identity.sets import Transmitter

    own = settings.origin + Endpoint("events").path
    whose = From(value=settings.tenant)
    return [
        Transmitter(
            id=id,
            issuer=one.issuer,
            audience=one.audience or own,
            algorithms=frozenset(one.algorithms),
            keys=open_keys(one.keys, one.issuer, settings, one.where, SSF_DISCOVERY),
            subjects_of=settings.issuers[one.speaks_for].name,
            naming=settings.issuers[one.speaks_for].naming,
            tenants=tuple(finite(settings.issuers[one.speaks_for].tenant or whose) or ()),
        )
        for id, one in settings.transmitters.items()
    ]


def _asked(settings: Settings) -> dict[str, Asked]:
    """Raises `Misconfigured`."""
    asked: dict[str, Asked] = {}
    for id, one in settings.issuers.items():
        if one.introspection is not None:
            from gateway.app.introspection import open_asked

            home = Path(settings.home)
            tls = _trust("introspection.ca", one.introspection.ca, home, one.where)
            asked[id] = open_asked(one, settings, tls)
    return asked


def _keys_of(issuer: IssuerSettings, settings: Settings) -> Keys:
    """Raises `Misconfigured`."""
    address, domain = issuer.keys.workload_api, issuer.trust_domain
    if address is None or domain is None:
        return open_keys(issuer.keys, issuer.name, settings, issuer.where)
    from gateway.identity.workloadapi import WorkloadApi

    api = WorkloadApi(address, domain, issuer.where)
    return KeyCache(issuer.name, api.fetch, time.monotonic)


def open_keys(
    wanted: KeySettings,
    issuer: str,
    settings: Settings,
    where: Where | None,
    discovery: str = DISCOVERY,
) -> Keys:
    """One issuer's keys. Raises `Misconfigured`."""
    home = Path(settings.home)
    if wanted.file is not None:
        from gateway.identity.keyfile import KeyFile

        return KeyFile(home / wanted.file)
    from gateway.identity.fetching import Source

    source = Source(
        issuer=issuer,
        url=wanted.url,
        metadata=wanted.metadata or issuer.rstrip("/") + discovery,
        tls=_trust("keys.ca", wanted.ca, home, where),
        token_file=None if wanted.token_file is None else home / wanted.token_file,
    )
    return KeyCache(issuer, source.fetch, time.monotonic)


def _trust(key: str, ca: str | None, home: Path, where: Where | None) -> ssl.SSLContext:
    """Who may sign the certificate of an address: those in the file, or whom the system trusts. `key`: where it is
    named. Raises `Misconfigured`."""
    try:
        return ssl.create_default_context(cafile=None if ca is None else home / ca)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"{key}: {ca}: {error}", where) from None


def _used(settings: Settings) -> UsedProofs | None:
    """Proofs that were used. The embedded issuer binds no token. Raises `Misconfigured`."""
    if not settings.issuers:
        return None
    return UsedProofs(settings.state_dir / "used-proofs", int(time.time()))


def _verifier(
    settings: Settings, profiles: list[IssuerProfile], used: UsedProofs | None
) -> Verifier:
    tokens = JwtVerifier(profiles, settings.origin, used)
    for one in settings.issuers.values():
        if one.kind == "mtls":  # there is one at most
            from gateway.identity.front import AnyProof
            from gateway.identity.x509 import CertificateVerifier

            return AnyProof(tokens, CertificateVerifier(one, settings.tenant))
    return tokens


async def _refresh(issuer: LocalIssuer) -> None:
    """Takes up a rotated signing key before `bulkhead token` uses it."""
    while True:
        await asyncio.sleep(SETTLE / 3)
        try:
            issuer.refresh()
        except Misconfigured as error:
            log.error("no token is believed until this is mended: %s", error)
