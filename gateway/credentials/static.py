"""`static`: a secret that stays, from a file or a variable. It cannot be called back, so it is warned of."""

from __future__ import annotations

from pathlib import Path

from gateway.config.credential_settings import Static
from gateway.credential_ports import Minted, Wanted
from gateway.credentials.references import Reference


class StaticSecret:
    """`CredentialProvider` over one secret."""

    def __init__(self, settings: Static, home: Path) -> None:
        self._secret = Reference(settings.secret, home)
        self._secret.warn_if_open()

    async def issue(self, wanted: Wanted) -> Minted:
        """See `CredentialProvider`. Read anew each time."""
        secret = self._secret.read()
        return Minted({"secret": secret}, frozenset({"secret"}), "")

    async def revoke(self, lease: str, ref: str, minted: Minted | None) -> bool:
        """See `CredentialProvider`: it stays good, whatever is asked."""
        return False

    async def aclose(self) -> None:
        """See `CredentialProvider`."""
