"""One OAuth authorization server: what is asked for there, what it answers, how a token is ended.

RFC 6749 (5), RFC 7009 (revocation), RFC 8707 (`resource`). Of what the server says in an error only its code is
repeated: a description may hold what was sent. How the gateway proves itself there: client.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import aclosing
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, Final

import httpx

from gateway.config.addresses import is_loopback
from gateway.config.credential_settings import TokenEndpoint
from gateway.credential_ports import Minted, NoCredential
from gateway.credentials.client import Client, Fields
from gateway.values import Value

SECONDS: Final = 10.0
MAX_BYTES: Final = 64 * 1024
_CODE: Final = re.compile(r"[a-z_]{1,64}")
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{8,16384}")


def client(url: str) -> httpx.AsyncClient:
    """No redirects, no cookies kept from one answer to the next, and no proxy on the way to this machine."""
    local = is_loopback(httpx.URL(url).host)
    none = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx.AsyncClient(
        timeout=SECONDS, follow_redirects=False, trust_env=not local, cookies=none
    )


async def answer(http: httpx.AsyncClient, request: httpx.Request) -> tuple[int, bytes]:
    """Status and body, at most `MAX_BYTES`. Raises `NoCredential`: what became of it is not known."""
    try:
        async with aclosing(await http.send(request, stream=True)) as response:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise NoCredential(f"{request.url}: an answer larger than {MAX_BYTES} bytes")
            return response.status_code, bytes(body)
    except httpx.ConnectError as error:
        raise NoCredential(f"{request.url}: no connection: {error}", nothing=True) from None
    except httpx.HTTPError as error:
        raise NoCredential(f"{request.url}: {type(error).__name__}") from None


class Token(Value):
    """An access token. `seconds`: how long it is good; None where the server does not say."""

    text: str
    seconds: int | None

    def __repr__(self) -> str:
        return f"Token({self.seconds})"

    def minted(self) -> Minted:
        """As a provider gives it."""
        return Minted({"token": self.text}, frozenset({"token"}), "", self.seconds)


class Endpoint:
    """The token endpoint of one provider."""

    def __init__(self, settings: TokenEndpoint, home: Path) -> None:
        self._settings = settings
        self._client = Client(settings, home)
        self._http = client(settings.token_url)

    async def token(self, fields: Fields) -> Token:
        """What a grant gives. Raises `NoCredential`."""
        asked = {**fields, **self._wanted()}
        status, body = await self._post(self._settings.token_url, asked)
        said = _object(body)
        if status != 200:
            raise NoCredential(
                f"the authorization server said {_refusal(status, said)}", nothing=status < 500
            )
        token, kind = said.get("access_token"), said.get("token_type")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise NoCredential("the authorization server gave no access_token")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise NoCredential("the authorization server gave a token that is no bearer token")
        return Token(token, _seconds(said.get("expires_in")))

    async def revoke(self, minted: Minted | None) -> bool:
        """RFC 7009. False where there is no such endpoint, or the token is not at hand. Raises `NoCredential`."""
        url = self._settings.revocation_url
        if url is None or minted is None:
            return False
        fields = {"token": minted.values["token"], "token_type_hint": "access_token"}
        status, body = await self._post(url, fields)
        if status != 200:
            said = _refusal(status, _object(body))
            raise NoCredential(f"the authorization server said {said} to the revocation")
        return True

    async def aclose(self) -> None:
        """Done with it."""
        await self._http.aclose()

    def _wanted(self) -> Fields:
        settings = self._settings
        named = {
            "scope": settings.scope,
            "resource": settings.resource,
            "audience": settings.audience,
        }
        return {name: value for name, value in named.items() if value is not None}

    async def _post(self, url: str, fields: Fields) -> tuple[int, bytes]:
        headers, proof = self._client.proof(self._settings.token_url)
        sent = {**headers, "accept": "application/json"}
        request = self._http.build_request("POST", url, headers=sent, data={**fields, **proof})
        return await answer(self._http, request)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _refusal(status: int, said: Mapping[str, Any]) -> str:
    code = said.get("error")
    known = code if isinstance(code, str) and _CODE.fullmatch(code) else "no error code"
    return f"HTTP {status}, {known}"


def _seconds(value: object) -> int | None:
    """A number (RFC 6749, 5.1), of which a fraction is cut off; several servers write it as text."""
    is_text = isinstance(value, str) and _DIGITS.fullmatch(value)
    if is_text or (isinstance(value, float) and 0 < value < 1e9):
        value = int(value)  # type: ignore[call-overload]
    return value if type(value) is int and value > 0 else None
