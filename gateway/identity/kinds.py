"""What kinds of issuers have in common: one table, so that a kind is a row and not a code path.

Sources: RFC 9068 (oauth), SPIFFE JWT-SVID, Kubernetes service account token projection, GitHub Actions OIDC,
AWS outbound identity federation, Google and Microsoft identity platforms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.config.issuers import IssuerSettings, Kind
from gateway.core.model import Tier
from gateway.identity.naming import Reader
from gateway.identity.profile import MAX_TTL, IssuerProfile, Keys, Sayings, no_more_keys
from gateway.identity.spiffe import SvidReader
from gateway.values import Value


class Shape(Value):
    """How a kind's tokens look. See `IssuerProfile`."""

    types: tuple[str, ...]
    dated: bool = True
    numbered: bool = True


_PLAIN: Final = Shape(("", "jwt"), numbered=False)
SHAPES: Final[Mapping[Kind, Shape]] = {
    "oauth": Shape(("at+jwt", "application/at+jwt")),
    "spiffe": Shape(("", "jwt", "jose"), dated=False, numbered=False),
    "kubernetes": _PLAIN,
    "github": _PLAIN,
    "aws": _PLAIN,
    "gcp": _PLAIN,
    "azure": _PLAIN,
}


_OPAQUE: Final = Shape((), dated=False, numbered=False)
"""RFC 7662, 2.2: an answer may leave out both."""


def profile(
    settings: IssuerSettings, keys: Keys | None, tenant: str, answers: Sayings | None = None
) -> IssuerProfile:
    """One issuer of tokens, as the verifier sees it. `tenant`: the gateway's own. `keys`: None for opaque ones."""
    shape = _OPAQUE if settings.opaque else SHAPES[settings.kind]
    types = shape.types if settings.types is None else settings.types
    types = tuple(each.lower() for each in types)
    reader = Reader.of(settings, tenant)
    return IssuerProfile(
        issuer=settings.name,
        key=keys.key if keys else _no_key,
        claimed=SvidReader(settings.trust_domain, reader) if settings.trust_domain else reader,
        algorithms=frozenset(settings.algorithms),
        types=frozenset(types),
        max_ttl=settings.max_ttl or MAX_TTL,
        dated=shape.dated,
        # Of tokens of another type than the kind's own its profile promises nothing.
        numbered=shape.numbered and set(types) <= set(shape.types),
        tiers=None if settings.tiers is None else frozenset(map(Tier, settings.tiers)),
        scope_claim=settings.scope_claim,
        bound_tiers=frozenset(map(Tier, settings.bound_tiers)),
        refreshed=keys.refreshed if keys else no_more_keys,
        answers=answers,
        opaque=settings.opaque,
    )


def _no_key(kid: str) -> None:
    return None
