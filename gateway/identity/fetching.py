"""An issuer's public keys over HTTP: the JWK Set, and the metadata that says where it is.

https, or http on this machine; no redirect, no encoding, bounded in bytes and seconds; the answer is read
as strictly as a token. It keeps nothing: that is keycache.py.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import httpx

from gateway.config.addresses import is_loopback, safe_url
from gateway.errors import Refused
from gateway.identity.jwk import NotAKey, read_set
from gateway.identity.keycache import Fetched, Unfetched
from gateway.identity.presented import json_object
from gateway.values import Value

MAX_BYTES: Final = 256 * 1024
SECONDS: Final = 10.0
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])", re.IGNORECASE)


class Source(Value):
    """Where one issuer's keys are: a JWK Set at `url`, or at the address that the `metadata` of exactly this `issuer`
    names. `token_file`: a bearer token for the address that is asked first, and for its origin alone."""

    issuer: str
    url: str | None
    metadata: str
    tls: ssl.SSLContext
    token_file: Path | None = None

    async def fetch(self) -> Fetched:
        """The keys. Raises `Unfetched`."""
        try:
            with anyio.fail_after(SECONDS):
                return await self._fetch()
        except TimeoutError:
            raise Unfetched(f"no answer in {SECONDS:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unfetched(f"{type(error).__name__}: {error}") from None
        except (NotAKey, Refused) as error:
            raise Unfetched(str(error)) from None

    async def _fetch(self) -> Fetched:
        url = self.url
        if url is None:
            metadata, _ = await self._get(self.metadata)
            url = _keys_at(json_object(metadata, "the answer"), self.issuer)
        body, headers = await self._get(url)
        found = _MAX_AGE.search(headers.get("cache-control", ""))
        keys = read_set(json_object(body, "the answer"))
        if not keys:
            raise Unfetched("there is no key in it that is accepted")
        return Fetched(keys, int(found[1]) if found else None)

    async def _get(self, url: str) -> tuple[bytes, httpx.Headers]:
        asked = httpx.Headers({"accept": "application/json", "accept-encoding": "identity"})
        if self.token_file is not None and _origin(url) == _origin(self.url or self.metadata):
            token = await anyio.Path(self.token_file).read_text()
            asked["authorization"] = f"Bearer {token.strip()}"
        async with (
            client(url, self.tls, SECONDS) as http,
            http.stream("GET", url, headers=asked) as reply,
        ):
            return await body_of(reply, MAX_BYTES), reply.headers


def client(url: str, tls: ssl.SSLContext, seconds: float) -> httpx.AsyncClient:
    """For requests to this address. Through the environment's proxy, as any https; on this machine nobody stands in
    between."""
    return httpx.AsyncClient(
        verify=tls,
        trust_env=not is_loopback(httpx.URL(url).host),
        follow_redirects=False,
        timeout=seconds,
    )


async def body_of(reply: httpx.Response, most: int) -> bytes:
    """The body of a 200, as it is, at most so many bytes. Raises `Unfetched`, and what httpx raises."""
    url = reply.request.url
    if reply.status_code != 200:
        raise Unfetched(f"{url}: status {reply.status_code}")
    if reply.headers.get("content-encoding", "identity") != "identity":
        raise Unfetched(f"{url}: an encoded answer")
    body = bytearray()
    async for piece in reply.aiter_raw():
        body += piece
        if len(body) > most:
            raise Unfetched(f"{url}: more than {most} bytes")
    return bytes(body)


def _keys_at(metadata: Mapping[str, Any], issuer: str) -> str:
    """Law: metadata of another issuer says nothing about this one (RFC 8414, 3.3)."""
    if metadata.get("issuer") != issuer:
        raise Unfetched("the metadata is another issuer's")
    url = metadata.get("jwks_uri")
    try:
        return safe_url(url if isinstance(url, str) else "")
    except ValueError as error:
        raise Unfetched(f"jwks_uri {error}") from None


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = httpx.URL(url)
    return parts.scheme, parts.host, parts.port
