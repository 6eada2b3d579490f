"""`vault`: a dynamic secret of HashiCorp Vault or OpenBao, over its HTTP API, leased and revoked there.

Written to the published API (GET <path>, POST sys/leases/revoke with `sync`), and not yet run against a
real server.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import httpx

from gateway.config.credential_settings import Vault
from gateway.core.model import JsonObject
from gateway.credential_ports import Minted, NoCredential, Wanted
from gateway.credentials.references import Reference
from gateway.credentials.token_endpoint import answer, client

_REFUSED: Final = frozenset({400, 403, 404, 405})


class VaultSecrets:
    """`CredentialProvider` over one path."""

    def __init__(self, settings: Vault, home: Path) -> None:
        self._settings = settings
        self._token = Reference(settings.token, home)
        self._token.warn_if_open()
        self._http = client(settings.address)

    async def issue(self, wanted: Wanted) -> Minted:
        """See `CredentialProvider`. All members of the secret are taken for secret, but a user name."""
        status, body = await self._ask("GET", self._settings.path)
        data, lease = body.get("data"), body.get("lease_id")
        if status != 200 or not isinstance(data, dict) or not isinstance(lease, str):
            raise NoCredential(f"vault said HTTP {status}", nothing=status in _REFUSED)
        if not lease.isprintable():  # it is written down: half a character would fail the journal
            raise NoCredential("vault gave a lease_id that cannot be written down")
        values = {name: text for name, text in data.items() if isinstance(text, str)}
        seconds = body.get("lease_duration")
        known = type(seconds) is int and seconds > 0
        return Minted(values, frozenset(values) - {"username"}, lease, seconds if known else None)

    async def revoke(self, lease: str, ref: str, minted: Minted | None) -> bool:
        """See `CredentialProvider`. One without a lease of its own (key/value) cannot be called back."""
        if not ref:
            return False
        # OpenBao revokes later by itself unless it is asked to do it now.
        asked = {"lease_id": ref, "sync": True}
        status, _ = await self._ask("POST", "sys/leases/revoke", asked)
        if status not in (200, 204):
            raise NoCredential(f"vault said HTTP {status} to the revocation")
        return True

    async def aclose(self) -> None:
        """See `CredentialProvider`."""
        await self._http.aclose()

    async def _ask(
        self, method: str, path: str, body: JsonObject | None = None
    ) -> tuple[int, dict[str, Any]]:
        headers = {"X-Vault-Token": self._token.read(), "X-Vault-Request": "true"}
        if self._settings.namespace is not None:
            headers["X-Vault-Namespace"] = self._settings.namespace
        url = f"{self._settings.address.rstrip('/')}/v1/{path}"
        request: httpx.Request = self._http.build_request(method, url, headers=headers, json=body)
        status, raw = await answer(self._http, request)
        try:
            said = json.loads(raw) if raw else {}
        except ValueError:
            said = {}
        return status, said if isinstance(said, dict) else {}
