"""From settings to providers. Those that need an optional package import it only when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gateway.config.credential_settings import Offer
from gateway.credential_ports import CredentialProvider
from gateway.errors import Misconfigured, Where, to_install

Make = Callable[[Any, Path], CredentialProvider]


def _static() -> Make:
    from gateway.credentials.static import StaticSecret

    return StaticSecret


def _oauth_client_credentials() -> Make:
    from gateway.credentials.oauth_client_credentials import OauthClient

    return OauthClient


def _token_exchange() -> Make:
    from gateway.credentials.token_exchange import Exchange

    return Exchange


def _postgres_role() -> Make:
    from gateway.credentials.postgres_role import PostgresRoles

    return PostgresRoles


def _aws_sts() -> Make:
    from gateway.credentials.aws_sts import StsRole

    return StsRole


def _vault() -> Make:
    from gateway.credentials.vault import VaultSecrets

    return VaultSecrets


PROVIDERS: Final[dict[str, Callable[[], Make]]] = {
    "static": _static,
    "oauth_client_credentials": _oauth_client_credentials,
    "token_exchange": _token_exchange,
    "postgres_role": _postgres_role,
    "aws_sts": _aws_sts,
    "vault": _vault,
}
EXTRAS: Final = {"postgres_role": "postgres", "aws_sts": "aws"}
"""Provider -> the extra that has what it needs."""


def provider(server: str, offer: Offer, home: Path, where: Where | None) -> CredentialProvider:
    """The provider of one `credentials` entry. Raises `Misconfigured` when its extra is not installed."""
    try:
        make = PROVIDERS[offer.provider]()
    except ImportError:
        extra = EXTRAS.get(offer.provider, "")
        raise Misconfigured(
            f"servers.{server}.credentials: {offer.provider} is not installed",
            where,
            to_install(extra),
        ) from None
    return make(offer, home)
