"""Where an issuer is asked about its tokens (RFC 7662): `issuers.<id>.introspection` in bulkhead.yaml.

It knows the file's shape only.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.addresses import Url
from gateway.config.clients import ClientSettings


class IntrospectionSettings(ClientSettings):
    """One introspection endpoint, and how the gateway proves itself there."""

    url: Url
    tokens: Literal["opaque", "jwt"] = "opaque"
    """opaque: only the issuer can read them. jwt: verified by its keys first, and then asked about, too."""
    seconds: Annotated[int, Field(ge=1, le=300)] = 10
    """How long an answer is believed: so long a token may be good after it was revoked."""
    ca: str | None = None
    """PEM file of who may sign the TLS certificate of that address. Default: whom the system trusts."""
