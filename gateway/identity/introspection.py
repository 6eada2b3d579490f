"""An authorization server is asked about one token over HTTP (RFC 7662).

https, or http on this machine; no redirect, no encoding, bounded in bytes and seconds; the answer is read as strictly
as a token. Nothing of what was sent is repeated. It keeps connections, and no answer: that is answers.py.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio
import httpx

from gateway.credential_ports import NoCredential
from gateway.errors import Refused
from gateway.identity.fetching import body_of, client
from gateway.identity.keycache import Unfetched
from gateway.identity.presented import json_object

MAX_BYTES: Final = 16 * 1024
SECONDS: Final = 5.0
Fields = dict[str, str]


class Introspection:
    """One endpoint. `proof`: headers and form fields by which the gateway proves itself there."""

    def __init__(
        self, url: str, tls: ssl.SSLContext, proof: Callable[[], tuple[Fields, Fields]]
    ) -> None:
        self._url = url
        self._proof = proof
        self._http = client(url, tls, SECONDS)

    async def ask(self, token: str) -> Mapping[str, Any] | None:
        """What it says of an active token; None of one that is not. Raises `Unfetched`."""
        try:
            with anyio.fail_after(SECONDS):
                said = json_object(await self._answer(token), "the answer")
        except (TimeoutError, httpx.TimeoutException):
            raise Unfetched(f"{self._url}: no answer in {SECONDS:.0f} s") from None
        except httpx.ConnectError as error:
            raise Unfetched(f"{self._url}: no connection: {error}") from None
        except httpx.HTTPError as error:
            raise Unfetched(f"{self._url}: {type(error).__name__}") from None
        except NoCredential as error:
            raise Unfetched(str(error)) from None
        except Refused:
            raise Unfetched(f"{self._url}: an answer that is no strict JSON") from None
        active = said.get("active")
        if active is not True and active is not False:
            raise Unfetched(f"{self._url}: an answer that does not say whether the token is active")
        return said if active else None

    async def aclose(self) -> None:
        """Done with it."""
        await self._http.aclose()

    async def _answer(self, token: str) -> bytes:
        try:
            return await self._answer_once(token)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # A connection that was kept, and that the other side closed just now. To ask twice changes nothing.
            return await self._answer_once(token)

    async def _answer_once(self, token: str) -> bytes:
        headers, fields = self._proof()
        sent = {"accept": "application/json", "accept-encoding": "identity", **headers}
        form = {"token": token, "token_type_hint": "access_token", **fields}
        async with self._http.stream("POST", self._url, headers=sent, data=form) as reply:
            self._http.cookies.clear()
            return await body_of(reply, MAX_BYTES)
