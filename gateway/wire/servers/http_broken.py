"""How one exchange with an HTTP tool server fails: before anything was sent, or after. It knows no connection."""

from __future__ import annotations


class NotSent(Exception):
    """Provably nothing of the request has reached the server, or it turned it away."""


class TurnedAway(NotSent):
    """It was sent, and the server knew no session of it."""


class Full(NotSent):
    """No more sessions can be had now."""


class Broken(Exception):
    """The request was, or may have been, sent, and no whole reply came. Says why, for the operator."""

    def __init__(self, why: str, *, stale: bool = False, lost: bool = False) -> None:
        super().__init__(why)
        self.lost = lost
        """The connection ended: the server's doing, not a limit of ours."""
        self.stale = stale
        """A kept connection ended before any byte of a reply: most likely the server never read it."""


def lost(*, stale: bool = False) -> Broken:
    """The end of a connection before the end of a reply."""
    return Broken("the connection broke before the answer was complete", stale=stale, lost=True)
