"""The `credentials` of a server in bulkhead.yaml: which provider, for which tiers, and how its values go in.

It knows the file's shape only. No secret stands in the file: it names a file or a variable that has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gateway.config.addresses import Url, is_loopback
from gateway.config.clients import ClientSettings, Secret
from gateway.config.issuers import TierName
from gateway.config.yamlfile import Located, Strict

Templates = dict[str, str]
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLACE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""Where a provider's value goes in a template."""
IDENTIFIER: Final = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"


def is_private(url: str) -> bool:
    """Can nobody between here and there read along?"""
    parts = urlsplit(url)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


class Common(Strict):
    """What all providers have in common."""

    tiers: Annotated[tuple[TierName, ...], Field(min_length=1)] = ("data", "tool", "admin")
    """The tiers it is for. A call in a tier no provider is for is not forwarded."""
    seconds: Annotated[int, Field(ge=10, le=900)] = 900
    """How long one is used, at most."""
    headers: Templates = Field(default_factory=dict)
    """Header -> what it says, with `{name}` for the values of the provider. For servers with a url."""
    environment: Templates = Field(default_factory=dict)
    """Variable -> what it says, for servers with a command."""


class Static(Common):
    """A secret that stays: read anew each time, and good until somebody changes it. Value: `secret`."""

    provider: Literal["static"]
    tiers: Annotated[tuple[TierName, ...], Field(min_length=1)] = ("data", "tool")
    secret: Secret
    admin: bool = False
    """A long-lived secret may serve the admin tier too."""

    @model_validator(mode="after")
    def _admin_is_said(self) -> Static:
        if "admin" in self.tiers and not self.admin:
            raise ValueError(
                "a long-lived secret for the admin tier: say `admin: true` or leave it"
            )
        return self


class TokenEndpoint(Common, ClientSettings):
    """An OAuth 2.1 authorization server, and how the gateway proves itself there."""

    token_url: Url
    scope: str | None = None
    resource: str | None = None
    """RFC 8707: the tool server, as the authorization server knows it."""
    audience: str | None = None
    """The same, for servers that want it so."""
    revocation_url: Url | None = None
    """RFC 7009. Without one, a token that is no longer wanted is good until its own end."""


class ClientCredentials(TokenEndpoint):
    """OAuth client credentials grant: a token for the gateway itself. Value: `token`."""

    provider: Literal["oauth_client_credentials"]


class TokenExchange(TokenEndpoint):
    """RFC 8693: a token that says on whose behalf, for the agent's own. Value: `token`."""

    provider: Literal["token_exchange"]
    actor: Secret | None = None
    """The gateway's own token. Without one it gets one by client credentials."""
    subject_type: str = "urn:ietf:params:oauth:token-type:access_token"
    actor_type: str = "urn:ietf:params:oauth:token-type:access_token"


class PostgresRole(Common):
    """A login role of its own in a PostgreSQL database. Values: `username`, `password`."""

    provider: Literal["postgres_role"]
    dsn: Secret
    """How the gateway connects, as a role that may make roles."""
    role: Annotated[str, Field(pattern=IDENTIFIER)]
    """The role whose rights it gets. What is made in its sessions belongs to this role."""


class AwsSts(Common):
    """AWS STS AssumeRole. Values: `access_key_id`, `secret_access_key`, `session_token`."""

    provider: Literal["aws_sts"]
    role_arn: Annotated[str, Field(pattern=r"^arn:[a-z0-9-]+:iam::[0-9]{12}:role/.+$")]
    region: str
    policy: Secret | None = None
    """A session policy (JSON): what the role may do is cut down to it."""
    external_id: str | None = None
    endpoint_url: Url | None = None


class Vault(Common):
    """A dynamic secret of HashiCorp Vault or OpenBao. Values: the members of its `data`."""

    provider: Literal["vault"]
    address: Url
    token: Secret
    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_.-]+)+$")]
    """As in `database/creds/reader`."""
    namespace: str | None = None


Offer = Annotated[
    Static | ClientCredentials | TokenExchange | PostgresRole | AwsSts | Vault,
    Field(discriminator="provider"),
]


class Credentialed(Located):
    """A server that may need credentials."""

    credentials: tuple[Offer, ...] = ()
    """What the gateway proves itself with there: a provider for each tier. None: it needs nothing."""
    cleartext: bool = False
    """Credentials may go to a url that is not https and not on this machine."""


def templates(offer: Offer, kind: str) -> Templates:
    """Its `headers` or `environment`: what the file says, else what is usual for the provider."""
    said: Templates = getattr(offer, kind)
    return said or DEFAULTS[kind].get(offer.provider, {})


def check(
    offers: tuple[Offer, ...], url: str | None, headers: Mapping[str, str], cleartext: bool
) -> None:
    """No tier has two providers, and each goes in the way its server takes. Raises `ValueError`.

    `url`: of a server that has no command; `headers`: the fixed ones it gets."""
    tiers = [tier for offer in offers for tier in offer.tiers]
    twice = sorted({tier for tier in tiers if tiers.count(tier) > 1})
    if twice:
        raise ValueError(f"credentials: two of them are for tier {', '.join(twice)}")
    if offers and url is not None and not (cleartext or is_private(url)):
        raise ValueError("credentials go over https, or say `cleartext: true`")
    for offer in offers:
        wrong, right = ("headers", "environment") if url is None else ("environment", "headers")
        if getattr(offer, wrong):
            raise ValueError(f"credentials: {wrong} is for a {'url' if url is None else 'command'}")
        named = templates(offer, right)
        if not named:
            raise ValueError(f"credentials: {offer.provider} needs {right}")
        stray = _strange(offer.provider, named)
        if stray:
            raise ValueError(f"credentials: {offer.provider} gives no value {stray[0]!r}")
        if url is None and not all(NAME.fullmatch(name) for name in named):
            raise ValueError("credentials: environment: a name no variable can have")
        if url is not None and {n.lower() for n in named} & {n.lower() for n in headers}:
            raise ValueError("a header stands both in headers and in credentials")


def _strange(provider: str, named: Templates) -> list[str]:
    """Places in the templates that nothing the provider gives fits."""
    places = {place for text in named.values() for place in PLACE.findall(text)}
    return sorted(places - GIVES.get(provider, places))


BEARER: Final = {"Authorization": "Bearer {token}"}
DEFAULTS: Final[dict[str, dict[str, Templates]]] = {
    "headers": {
        "static": {"Authorization": "Bearer {secret}"},
        "oauth_client_credentials": BEARER,
        "token_exchange": BEARER,
    },
    "environment": {
        "postgres_role": {"PGUSER": "{username}", "PGPASSWORD": "{password}"},
        "aws_sts": {
            "AWS_ACCESS_KEY_ID": "{access_key_id}",
            "AWS_SECRET_ACCESS_KEY": "{secret_access_key}",
            "AWS_SESSION_TOKEN": "{session_token}",
        },
    },
}
"""How a provider's values go in when the file does not say."""
GIVES: Final[Mapping[str, frozenset[str]]] = {
    "static": frozenset({"secret"}),
    "oauth_client_credentials": frozenset({"token"}),
    "token_exchange": frozenset({"token"}),
    "postgres_role": frozenset({"username", "password"}),
    "aws_sts": frozenset({"access_key_id", "secret_access_key", "session_token"}),
}
"""What a provider gives. Of `vault` only the secret it reads knows."""
