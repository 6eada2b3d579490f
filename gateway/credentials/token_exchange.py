"""`token_exchange`: for the agent's token one that is for the tool server, and says who acts for whom (RFC 8693).

The agent's own token goes to the authorization server and nowhere else. The actor is the gateway: a token it gets to
say so is for one trade, and is ended after it.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from gateway.config.credential_settings import TokenExchange
from gateway.credential_ports import Minted, NoCredential, Wanted
from gateway.credentials.oauth_client_credentials import OauthClient
from gateway.credentials.references import Reference
from gateway.credentials.token_endpoint import SECONDS
from gateway.finishing import begin

log = logging.getLogger("bulkhead.credentials")

EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"


class Exchange(OauthClient):
    """`CredentialProvider` that trades tokens, and is a client like any other where there is none to trade."""

    def __init__(self, settings: TokenExchange, home: Path) -> None:
        super().__init__(settings, home)
        self._settings = settings
        self._actor = None if settings.actor is None else Reference(settings.actor, home)
        self._ending: set[asyncio.Task[None]] = set()

    async def issue(self, wanted: Wanted) -> Minted:
        """See `CredentialProvider`. For the gateway's own reads there is nobody to act for."""
        if wanted.account.is_ours:
            return await super().issue(wanted)
        if not wanted.token:
            raise NoCredential("the agent's token is not at hand", nothing=True)
        if self._actor is not None:
            return await self._traded(wanted.token, self._actor.read())
        acting = await super().issue(wanted)
        try:
            return await self._traded(wanted.token, acting.values["token"])
        finally:
            begin(self._ending, self._end(acting))  # no call waits for it

    async def aclose(self) -> None:
        """See `CredentialProvider`."""
        await asyncio.gather(*self._ending)
        await super().aclose()

    async def _traded(self, token: str, acting: str) -> Minted:
        fields = {
            "grant_type": EXCHANGE,
            "subject_token": token,
            "subject_token_type": self._settings.subject_type,
            "actor_token": acting,
            "actor_token_type": self._settings.actor_type,
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }
        return (await self._endpoint.token(fields)).minted()

    async def _end(self, acting: Minted) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await self._endpoint.revoke(acting)
        except (NoCredential, TimeoutError) as error:
            log.warning("what the gateway acted by is good until its own end: %s", error)
