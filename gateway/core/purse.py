"""What is left of one grant, and a call's share of it: numbers, and no store.

Laws:
1. What `take` leaves depends on nothing but the purse and the call. Whoever takes the same calls in the same order
   from the same purse comes to the same one: the calls are enough to know what is left.
2. Nothing is taken that is not there.
"""

from __future__ import annotations

from typing import Final

from gateway.core.grant import Limit

Left = tuple[Limit, Limit, Limit]
"""Uses, writes, bytes."""
Before = tuple[int, int, int, int, Left]
"""What of a purse can change, as it was: expires_at, used_at, used, due, and what was left."""
SET_BACK: Final = 60_000_000
"""Microseconds a call may be counted after its time was taken. What is further ahead of one is of a clock that was set
back since."""
NO_GRANT: Final = "there is no such grant"
NO_USES: Final = "no uses are left"
TOO_SOON: Final = "too many calls in a minute"


class Purse:
    """Times are microseconds; None is no limit. It is changed in its place: a call changes up to four of them, and
    making each anew costs twice as much. What `take` and `end` return can be put back."""

    __slots__ = (
        "burst",
        "bytes",
        "due",
        "expires_at",
        "idle",
        "step",
        "used",
        "used_at",
        "uses",
        "writes",
    )

    def __init__(
        self,
        expires_at: int,
        idle: Limit,
        used_at: int,
        used: int,
        uses: Limit,
        writes: Limit,
        size: Limit,
        step: Limit,
        burst: int,
        due: int,
    ) -> None:
        """`expires_at`: 0 when it was revoked or completed. `step`: between two calls, by the rate. `due`: from
        when a call is within the rate again if it came just now (GCRA, the leaky bucket as one number): a call
        at `at` is within it when due + step - burst * step <= at."""
        self.expires_at = expires_at
        self.idle = idle
        self.used_at = used_at
        self.used = used
        self.uses = uses
        self.writes = writes
        self.bytes = size
        self.step = step
        self.burst = burst
        self.due = due

    @property
    def left(self) -> Left:
        return self.uses, self.writes, self.bytes

    def over(self, at: int) -> str:
        """Why nothing can be taken any more, in words; empty when it can."""
        if self.expires_at <= at:
            return "it has expired" if self.expires_at else "it was revoked or completed"
        if self.idle is not None and self.used_at + self.idle <= at:
            return "it lay idle too long"
        return ""

    def take(self, writes: int, size: int, at: int, again: bool = False) -> Before | str:
        """One call's share. Returns what was there before; or in words why it cannot be, and nothing is taken.

        `again`: it was taken once and is only counted now, whatever became of the grant since."""
        used_at, due, step = self.used_at, self.due, self.step
        uses, writes_left, bytes_left = self.uses, self.writes, self.bytes
        was = self.expires_at, used_at, self.used, due, (uses, writes_left, bytes_left)
        if uses is not None:
            uses -= 1
        if writes_left is not None:
            writes_left -= writes
        if bytes_left is not None:
            bytes_left -= size
        if step is not None:
            # Else a clock that was ahead for one call would keep out all until it is there again.
            due = (due if at < due <= at + self.burst * step + SET_BACK else at) + step
        if not again:
            if self.expires_at <= at or (self.idle is not None and used_at + self.idle <= at):
                return self.over(at)
            if uses is not None and uses < 0:
                return NO_USES
            if writes_left is not None and writes_left < 0:
                return "no writes are left"
            if bytes_left is not None and bytes_left < 0:
                return "not so many bytes are left"
            if step is not None and due - self.burst * step > at:
                return TOO_SOON
        self.used_at = used_at if at < used_at <= at + SET_BACK else at
        self.used += 1
        self.uses, self.writes, self.bytes, self.due = uses, writes_left, bytes_left, due
        return was

    def end(self) -> Before:
        """Nothing can be taken from it any more. Returns what was there before."""
        was = self.expires_at, self.used_at, self.used, self.due, self.left
        self.expires_at = 0
        return was

    def put_back(self, was: Before) -> None:
        """As it was."""
        self.expires_at, self.used_at, self.used, self.due, left = was
        self.uses, self.writes, self.bytes = left
