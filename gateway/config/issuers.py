"""Who may say who an agent is: `issuers` in bulkhead.yaml, as the file has them, and what is wrong with them.

It knows the file's shape and what can be told from it alone; it reads no key and believes no token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from gateway.config.addresses import Url, safe_url
from gateway.config.introspection import IntrospectionSettings
from gateway.config.yamlfile import ID, NO_ID, Located, Strict

Kind = Literal["oauth", "spiffe", "kubernetes", "github", "aws", "gcp", "azure", "mtls"]
TierName = Literal["data", "tool", "admin"]
Algorithm = Literal["EdDSA", "ES256", "ES384", "RS256", "PS256"]
Algorithms = Annotated[tuple[Algorithm, ...], Field(min_length=1)]
USUAL: Final[Algorithms] = ("EdDSA", "ES256", "RS256", "PS256")
"""Of tokens, where the settings say nothing."""
PROOFS: Final = ("ES256", "Ed25519", "EdDSA", "ES384", "RS256", "PS256")
"""Of DPoP proofs: what is taken, and said to be. EdDSA is the older name of Ed25519."""

AGENT: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
"""Agent names: they stand in policy rows, the journal and a terminal."""
WORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
"""Tenants, tasks and intents."""
WORD_IN_WORDS: Final = "letters, digits, ., _ and -, and none of these three at an end"
AGENT_IN_WORDS: Final = f"small {WORD_IN_WORDS}"
PRINCIPAL: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
"""On whose behalf: names as identity providers have them, in ASCII."""
MAX_TTL: Final = 90_000
"""A day, and what issuers date back: Microsoft's tokens of a day say 24 hours and 5 minutes."""
TRUST_DOMAIN: Final = r"^[a-z0-9._-]{1,255}$"
PUBLIC: Final[Mapping[Kind, tuple[str, ...]]] = {
    "kubernetes": ("/kubernetes.io/namespace", "sub"),
    "github": ("repository_id", "repository_owner_id"),
    "aws": ("sub",),
    "gcp": ("sub",),
    "azure": ("sub", "oid", "azp", "appid"),
}
"""Issuers that sign for strangers, and the claims of which one must be pinned: they never change hands."""
UNSCOPED: Final = frozenset({"spiffe", "kubernetes", "github", "aws", "gcp", "azure", "mtls"})
"""Kinds whose proofs name no scope: the operator says which tiers they reach."""
WELL_KNOWN: Final[Mapping[Kind, str]] = {
    "github": "https://token.actions.githubusercontent.com",
    "gcp": "https://accounts.google.com",
}
"""Who signs, where that is the same for everybody."""

Fault = tuple[tuple[str, ...], str]
"""Where below `issuers` it is, and what it is."""


Word = Annotated[str, Field(min_length=1, max_length=255)]


class KeySettings(Strict):
    """Where the issuer's public keys come from: exactly one of the first four."""

    url: Url | None = None
    """A JWK Set."""
    metadata: Url | None = None
    """The issuer's own metadata (OpenID Connect Discovery, RFC 8414), which says where the JWK Set is."""
    file: str | None = None
    """A JWK Set or SPIFFE bundle; for mtls, PEM certificates. Followed while the gateway runs."""
    workload_api: Annotated[str, Field(pattern=r"^unix:/")] | None = None
    """The SPIFFE Workload API's address. Needs the extra `spiffe`."""
    ca: str | None = None
    """PEM file of who may sign the TLS certificate of that address. Default: whom the system trusts."""
    token_file: str | None = None
    """A file with a bearer token to fetch the keys with; read at every fetch. Kubernetes wants one."""

    @model_validator(mode="after")
    def _one_place(self) -> KeySettings:
        if (
            sum(one is not None for one in (self.url, self.metadata, self.file, self.workload_api))
            > 1
        ):
            raise ValueError("give one of url, metadata, file, workload_api")
        return self


class From(Strict):
    """Where one fact about the caller comes from: `value`, or `claim`, as it is or made into a name."""

    value: Word | None = None
    claim: Word | None = None
    """A claim's name, or a JSON pointer (RFC 6901) to one further in."""
    names: dict[str, Word] | None = None
    """What the claim says -> what it is called here. What is not listed is refused."""
    after: str = ""
    """The claim must begin with this, and the rest of it is the name."""
    before: str = ""
    """Put in front of the name."""

    @model_validator(mode="after")
    def _one_way(self) -> From:
        if (self.value is None) == (self.claim is None):
            raise ValueError("give either value or claim")
        if self.value is not None and (self.names is not None or self.after or self.before):
            raise ValueError("names, after and before go with claim")
        if self.names is not None and (self.after or self.before):
            raise ValueError("names says it all: no after and no before")
        if self.names == {}:
            raise ValueError("names is empty: nobody would be let in")
        return self


class IssuerSettings(Located):
    """One issuer, and how its proofs are read."""

    kind: Kind = "oauth"
    issuer: Word | None = None
    """Compared with `iss` as an exact string."""
    trust_domain: Annotated[str, Field(pattern=TRUST_DOMAIN)] | None = None
    keys: KeySettings = KeySettings()
    introspection: IntrospectionSettings | None = None
    """Where it is asked about each token. Default: nowhere, its keys say enough."""
    algorithms: Algorithms = USUAL
    types: tuple[str, ...] | None = None
    """Values of the header `typ` that are accepted; "" stands for none. Default: by kind."""
    max_ttl: Annotated[int, Field(gt=0, le=MAX_TTL)] | None = None
    """Seconds a token may live. Default: an hour; a day for mtls. At the admin endpoint a quarter of an hour."""
    scope_claim: Word = "scope"
    """The claim with the scopes: words with blanks between; in another than `scope` also a list."""
    tiers: tuple[TierName, ...] | None = None
    """The tiers its proofs reach. Default: what the token's scope says."""
    bound_tiers: tuple[TierName, ...] = ("admin",)
    """Tiers only a token that is bound to a key reaches (DPoP, or a client certificate)."""
    require: dict[str, str | int | bool | tuple[str, ...]] = Field(default_factory=dict)
    """Claim (a name or a JSON pointer) -> what it must be, exactly; or one of several."""
    delegation: bool = False
    """Are tokens with `act` accepted? The agent is then who acts, on behalf of `sub`."""
    agent: From | None = None
    tenant: From | None = None
    principal: From | None = None
    """Whom it acts for, where `act` does not say so. One that says what `agent` is named by is nobody else."""
    task: From | None = None
    intent: From | None = None
    grant: From | None = None

    @property
    def name(self) -> str:
        """What `iss` says: the issuer, or the trust domain of SVIDs that name none."""
        return self.issuer or WELL_KNOWN.get(self.kind) or f"spiffe://{self.trust_domain}"

    @property
    def opaque(self) -> bool:
        """Can nobody but itself read its tokens?"""
        return self.introspection is not None and self.introspection.tokens == "opaque"

    @property
    def naming(self) -> From:
        """How its agents are named: without a word of the operator's, as `sub` says."""
        return self.agent or From(claim="sub")


def faults(issuers: Mapping[str, IssuerSettings], tenant: str) -> Iterator[Fault]:
    """Everything that is wrong with them. `tenant`: whose agents are where nothing is said of it."""
    own = From(value=tenant)
    for id, one in issuers.items():
        if not ID.fullmatch(id):
            yield (id,), NO_ID
        for place, what in _faults(one):
            yield (id, *place), what
    if sum(one.kind == "mtls" for one in issuers.values()) > 1:
        yield (), "one issuer of kind mtls at most: a listener has one set of authorities"
    for (a, one), (b, other) in combinations(issuers.items(), 2):
        if (one.kind == "mtls", one.name) == (other.kind == "mtls", other.name):
            yield (b,), f"is the same issuer as {a}"
        if one.opaque and other.opaque:
            yield (
                (b, "introspection"),
                f"opaque tokens do not say whose they are: {a} has some, too",
            )
        if one.introspection and other.introspection:
            if one.introspection.url == other.introspection.url:
                yield (b, "introspection", "url"), f"is where {a} is asked"
        same_tenant = _meet(one.tenant or own, other.tenant or own)
        if same_tenant and _meet(one.naming, other.naming):
            yield (
                (b, "agent") if other.agent else (b,),
                f"could name the same agent as {a}: "
                "give one of them another tenant, names, or before",
            )


def _faults(one: IssuerSettings) -> Iterator[Fault]:
    spiffe = one.kind in ("spiffe", "mtls")
    if spiffe and one.trust_domain is None:
        yield ("kind",), f"kind {one.kind} needs trust_domain"
    if not spiffe and one.trust_domain is not None:
        yield ("trust_domain",), "is for the kinds spiffe and mtls"
    if not spiffe and one.issuer is None and one.kind not in WELL_KNOWN:
        yield ("kind",), f"kind {one.kind} needs issuer"
    if one.kind != "oauth" and one.agent is None:
        yield ("kind",), f"kind {one.kind} needs agent: what its subjects are called here"
    yield from _key_faults(one)
    yield from _word_faults(one)
    if one.kind in UNSCOPED and not one.tiers:
        yield ("kind",), f"kind {one.kind} names no scope: say which tiers it reaches"
    pins = PUBLIC.get(one.kind, ())
    if pins and not any(_pinned(one, claim) for claim in pins):
        yield (
            ("kind",),
            (
                f"kind {one.kind} signs for strangers too: pin {' or '.join(pins)} "
                "under require, or by agent.names"
            ),
        )


def _word_faults(one: IssuerSettings) -> Iterator[Fault]:
    """A name that no token could ever have is told now."""
    facts = {"agent": one.agent, "tenant": one.tenant, "task": one.task, "intent": one.intent}
    for name, way in {**facts, "grant": one.grant}.items():
        shape = AGENT if name == "agent" else WORD
        for word in (finite(way) or ()) if way else ():
            if not shape.fullmatch(word):
                yield (name,), f"{word!r} is not a plain name"


def _key_faults(one: IssuerSettings) -> Iterator[Fault]:
    keys = one.keys
    if one.introspection is not None and one.kind != "oauth":
        yield ("introspection",), "is for kind oauth"
    if one.opaque:
        if keys != KeySettings():
            yield ("keys",), "are for JWTs, and this issuer's tokens are opaque"
        return
    given = keys.url or keys.metadata or keys.file or keys.workload_api
    if one.kind == "mtls" and not keys.file:
        yield (
            ("keys",) if given else ("kind",),
            "kind mtls needs keys.file: the authorities, in PEM",
        )
    if one.kind == "spiffe" and not given:
        yield ("kind",), "kind spiffe needs keys: a url, a file or a workload_api"
    if keys.workload_api and one.kind != "spiffe":
        yield ("keys", "workload_api"), "is for kind spiffe"
    if one.kind not in ("spiffe", "mtls") and not given and one.issuer is not None:
        try:
            safe_url(one.issuer)
        except ValueError:
            yield ("issuer",), "is no address to fetch metadata from: say where the keys are"


def _pinned(one: IssuerSettings, claim: str) -> bool:
    by_names = one.naming.claim == claim and one.naming.names is not None
    return claim in one.require or by_names


def _meet(one: From, other: From) -> bool:
    """Could both say the same word?"""
    few, more = finite(one), finite(other)
    if few is not None and more is not None:
        return not few.isdisjoint(more)
    if few is not None:
        return any(word.startswith(other.before) for word in few)
    if more is not None:
        return any(word.startswith(one.before) for word in more)
    return one.before.startswith(other.before) or other.before.startswith(one.before)


def finite(way: From) -> frozenset[str] | None:
    """All it can say; None where a claim says it freely."""
    if way.value is not None:
        return frozenset({way.value})
    return None if way.names is None else frozenset(way.names.values())
