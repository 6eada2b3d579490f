"""Who looks at a large body piece by piece as it comes, and where it goes. No body, no socket and no JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

Into = Callable[[Sequence[bytes]], bool]
"""Takes pieces where nobody has to be waited for; False: nothing of them is taken."""


class Prover(Protocol):
    """Is given every piece once, in order."""

    @property
    def behind(self) -> bool:
        """What it was given is not all looked at: `feed(b"")` goes on with it, and nothing new may come before."""
        ...

    @property
    def ended(self) -> bool:
        """It was given all that it is for: what else comes is nobody's."""
        ...

    def feed(self, piece: bytes) -> bytes:
        """The next piece -> what may go on of what came so far. Raises `ValueError` where nothing may any more."""
        ...


class _AsItIs:
    behind = ended = False

    def feed(self, piece: bytes) -> bytes:
        return piece


AS_IT_IS: Final[Prover] = _AsItIs()
"""Looks at nothing."""
