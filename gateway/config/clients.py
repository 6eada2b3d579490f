"""How the gateway proves itself at an authorization server, as bulkhead.yaml says it.

It knows the file's shape only. No secret stands in the file: it names a file or a variable that has it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from gateway.config.yamlfile import Strict


class Secret(Strict):
    """Where a secret is found when it is needed: a file, or a variable of the gateway's own environment."""

    file: str | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.file is None) == (self.env is None):
            raise ValueError("give either file or env")
        return self


class ClientSettings(Strict):
    """The gateway as a client of an OAuth 2.1 authorization server."""

    client_id: str
    client_secret: Secret | None = None
    private_key: Secret | None = None
    """PEM. The gateway then proves itself by `private_key_jwt` (RFC 7523)."""
    key_id: str | None = None
    authenticate: Literal["basic", "post"] = "basic"
    """How the client secret is sent."""

    @model_validator(mode="after")
    def _well_formed(self) -> ClientSettings:
        if (self.client_secret is None) == (self.private_key is None):
            raise ValueError("give either client_secret or private_key")
        return self
