"""`token_exchange`: for the agent's token one that is for the tool server, and says who acts for whom (RFC 8693).

The agent's own token goes to the authorization server and nowhere else. The actor is the gateway.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gateway.config.credential_settings import TokenExchange
from gateway.credential_ports import Minted, NoCredential, Wanted
from gateway.credentials.oauth_client_credentials import GRANT, OauthClient
from gateway.credentials.references import Reference

EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"


class Exchange(OauthClient):
    """`CredentialProvider` that trades tokens, and is a client like any other where there is none to trade."""

    def __init__(self, settings: TokenExchange, home: Path) -> None:
        super().__init__(settings, home)
        self._settings = settings
        self._actor = None if settings.actor is None else Reference(settings.actor, home)

    async def issue(self, wanted: Wanted) -> Minted:
        """See `CredentialProvider`. For the gateway's own reads there is nobody to act for."""
        if wanted.account.is_ours:
            return await super().issue(wanted)
        if not wanted.token:
            raise NoCredential("the agent's token is not at hand", nothing=True)
        fields = {
            "grant_type": EXCHANGE,
            "subject_token": wanted.token,
            "subject_token_type": self._settings.subject_type,
            "actor_token": await self._acting(),
            "actor_token_type": self._settings.actor_type,
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }
        return (await self._endpoint.token(fields)).minted()

    async def _acting(self) -> str:
        if self._actor is not None:
            return self._actor.read()
        return (await self._endpoint.token(GRANT)).text
