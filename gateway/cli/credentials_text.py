"""Leases of credentials, told to a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.cli.times import when
from gateway.cli.visible import visible
from gateway.core.credential import CredentialLease


def lines(leases: Sequence[CredentialLease]) -> Iterator[str]:
    """One line each, and a second one for why it ended or could not be ended."""
    for lease in leases:
        whom = f"{visible(lease.agent)}  tenant {visible(lease.tenant)}  {_what_for(lease)}"
        where = f"{visible(lease.server)} {lease.tier} {lease.provider}"
        yield f"{lease.id}  {lease.state:<13}  {where}  {whom}  {until(lease)}"
        if lease.said:
            yield f"    {visible(lease.said)}"


def until(lease: CredentialLease) -> str:
    """How long it is good for something by itself."""
    return "good until changed" if lease.expires_at is None else f"until {when(lease.expires_at)}"


def _what_for(lease: CredentialLease) -> str:
    if lease.is_ours:
        return "for itself"
    return f"grant {lease.grants[0]}" if lease.grants else f"task {visible(lease.task)}"
