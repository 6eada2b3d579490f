"""`oauth_client_credentials`: a token for the gateway itself, of the server's authorization server (RFC 6749, 4.4)."""

from __future__ import annotations

from pathlib import Path

from gateway.config.credential_settings import TokenEndpoint
from gateway.credential_ports import Minted, Wanted
from gateway.credentials.client import Fields
from gateway.credentials.token_endpoint import Endpoint

GRANT: Fields = {"grant_type": "client_credentials"}


class OauthClient:
    """`CredentialProvider` over a token endpoint."""

    def __init__(self, settings: TokenEndpoint, home: Path) -> None:
        self._endpoint = Endpoint(settings, home)

    async def issue(self, wanted: Wanted) -> Minted:
        """See `CredentialProvider`."""
        return (await self._endpoint.token(GRANT)).minted()

    async def revoke(self, lease: str, ref: str, minted: Minted | None) -> bool:
        """See `CredentialProvider`."""
        return await self._endpoint.revoke(minted)

    async def aclose(self) -> None:
        """See `CredentialProvider`."""
        await self._endpoint.aclose()
