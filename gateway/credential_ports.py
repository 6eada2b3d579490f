"""The seams of step 12: what gives credentials for tool servers, and what remembers their leases.

It knows the core's values and nothing of any adapter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from gateway.core.credential import Account, Credential, CredentialLease
from gateway.values import Value


class Wanted(Value):
    """A credential a provider is asked for."""

    lease: str
    """16 characters a-z, 2-7, never used before: a provider may name what it makes by it."""
    account: Account
    seconds: int
    """It is used no longer than this."""
    token: str = ""
    """The agent's own, for providers that show it to an authorization server; empty when not at hand."""

    def __repr__(self) -> str:
        return f"Wanted({self.lease}, {self.account})"


class Minted(Value):
    """What a provider gave."""

    values: Mapping[str, str]
    """By the names its settings use."""
    secret: frozenset[str]
    """Which of the values are secrets."""
    ref: str
    """What the provider knows it by when it is to end. No secret: it is written down."""
    seconds: int | None = None
    """How long it is good by itself; None: it does not say."""

    def __repr__(self) -> str:
        return f"Minted({self.ref})"


OwnCredential = Callable[[], Awaitable[Credential]]
"""The gateway's own at one server. Raises `NoCredential`."""


class NoCredential(Exception):
    """A provider could not give one, or could not end one. The message says why and holds no secret."""

    def __init__(self, message: str, *, nothing: bool = False) -> None:
        super().__init__(message)
        self.nothing = nothing
        """Nothing was made, for sure."""


class CredentialProvider(Protocol):
    """One way to get credentials for a tool server (credentials/). One file per provider."""

    async def issue(self, wanted: Wanted) -> Minted:
        """A new one. Raises `NoCredential`."""
        ...

    async def revoke(self, lease: str, ref: str, minted: Minted | None) -> bool:
        """End it: True when it is good for nothing any more, False when this provider cannot call one back.

        `ref` is empty for one that was asked for and perhaps never made; `minted` is None in a process
        that did not get it. Ending what is not there is no error. Raises `NoCredential` to be asked again."""
        ...

    async def aclose(self) -> None:
        """Done with it."""
        ...


class CredentialLedger(Protocol):
    """The leases of credentials, over all gateway processes of one journal (journals/credentials.py).
    Rows move by claims (`core.credential.Moved`) of the lines that tell of it, or by `keep`."""

    @property
    def run(self) -> str:
        """This process."""
        ...

    async def keep(self, lease: CredentialLease) -> None:
        """The row as it now stands, durable on return. Raises `JournalError`."""
        ...

    async def adopt(self) -> Sequence[CredentialLease]:
        """Take over what processes that have ended left alive. Each is given to one process only.

        Raises `JournalError`."""
        ...

    def all(self, *, live: bool) -> Sequence[CredentialLease]:
        """Newest first; `live`: only those with something to end yet. Raises `JournalError`."""
        ...

    def close(self) -> None: ...
