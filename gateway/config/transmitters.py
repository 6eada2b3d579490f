"""Who may say that an agent is to be stopped: `transmitters` in bulkhead.yaml, as the file has them.

It knows the file's shape and what can be told from it alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.config.addresses import safe_url
from gateway.config.issuers import (
    USUAL,
    Algorithms,
    Fault,
    IssuerSettings,
    KeySettings,
    Word,
)
from gateway.config.yamlfile import ID, NO_ID, Located


class TransmitterSettings(Located):
    """One transmitter of security events (OpenID Shared Signals Framework)."""

    issuer: Word
    """Compared with `iss` as an exact string."""
    keys: KeySettings = KeySettings()
    audience: Word | None = None
    """What `aud` must name. Default: this gateway's /ssf/events."""
    algorithms: Algorithms = USUAL
    speaks_for: str
    """Id of the issuer whose subjects it names: it can stop that issuer's agents, and nobody else's."""


def faults(
    transmitters: Mapping[str, TransmitterSettings], issuers: Mapping[str, IssuerSettings]
) -> Iterator[Fault]:
    """Everything that is wrong with them."""
    seen: dict[str, str] = {}
    for id, one in transmitters.items():
        if not ID.fullmatch(id):
            yield (id,), NO_ID
        if seen.setdefault(one.issuer, id) != id:
            yield (id,), f"is the same transmitter as {seen[one.issuer]}"
        yield from (((id, *place), what) for place, what in _faults(one, issuers))


def _faults(one: TransmitterSettings, issuers: Mapping[str, IssuerSettings]) -> Iterator[Fault]:
    spoken_for = issuers.get(one.speaks_for)
    if spoken_for is None:
        yield ("speaks_for",), f"{one.speaks_for!r} is no id under issuers"
    elif spoken_for.naming.claim not in (None, "sub"):
        yield (
            ("speaks_for",),
            f"agents of {one.speaks_for} are not named by sub, so no event's subject is one of them",
        )
    keys = one.keys
    if keys.workload_api is not None:
        yield ("keys", "workload_api"), "is for issuers of kind spiffe"
    if not (keys.url or keys.metadata or keys.file):
        try:
            safe_url(one.issuer)
        except ValueError:
            yield ("issuer",), "is no address to fetch metadata from: say where the keys are"
