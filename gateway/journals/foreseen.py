"""Which epoch the next lease gets, as long as no other gateway process takes any: so that an intent can name it before
it is given.

It is given in the commit of that intent or the intent is refused, so a number that is foreseen wrongly costs time and
nothing else. It knows neither the file nor who holds what.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

DISTURBED: Final = 64
"""So many leases are given before anything is foreseen again, once it was foreseen wrongly."""


class Foreseen:
    """What one process knows of the numbers."""

    def __init__(self) -> None:
        self._next = 0
        """No lease that this process knows of has it, or a later one."""
        self._quiet = 0
        """Leases in a row that no other process has taken one before; less than 0 after a wrong number."""
        self._asked = 0

    @property
    def sure(self) -> bool:
        """Can a number be named? Not behind leases that are being given: they have none yet."""
        return self._quiet > 0 and not self._asked

    def take(self) -> int:
        """The next number; nobody is told it again."""
        self._next += 1
        return self._next - 1

    def wrong(self) -> None:
        """One was not to be had."""
        self._quiet = -DISTURBED

    def asked(self) -> None:
        """A lease is about to be given: `given` is next."""
        self._asked += 1

    def given(self, epochs: Sequence[int], rows: int) -> None:
        """These, the first of so many consecutive ones; none, where none was given or it has no number."""
        self._asked -= 1
        undisturbed = bool(epochs) and epochs[0] <= self._next
        self._quiet = self._quiet + 1 if undisturbed else min(self._quiet, 0)
        if epochs:
            self._next = max(self._next, epochs[0] + rows)
