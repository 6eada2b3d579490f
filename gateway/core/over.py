"""The word that something is over: a credential that must not be used any more, an agent's session. And what a tool
server knows of such a session. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol


class Over:
    """Said once, to all who asked to be told."""

    __slots__ = ("_then", "said")

    def __init__(self) -> None:
        self._then: list[Callable[[], None]] = []
        self.said = False

    def then(self, do: Callable[[], None]) -> Callable[[], None]:
        """Called when it is said; at once when it was. What comes back is for who need not be told any more."""
        if self.said:
            do()
        else:
            self._then.append(do)
        return partial(self._forget, do)

    def say(self) -> None:
        """To all who asked to be told."""
        self.said = True
        told, self._then = self._then, []
        for do in told:
            do()

    def _forget(self, do: Callable[[], None]) -> None:
        if do in self._then:
            self._then.remove(do)


def always() -> bool:
    """What may be told whenever it is."""
    return True


class Tell(Protocol):
    """Takes a notification; drops it when nobody may be told, or listens."""

    def __call__(
        self, method: str, params: dict[str, Any], still: Callable[[], bool] = always, /
    ) -> None:
        """`still`: asked when it goes out, if it has to wait: it is dropped then where it may not be told any more."""
        ...


class Ear:
    """An agent's session: when it is over, and a way to tell its agent what comes after a call."""

    __slots__ = ("over", "tell")

    def __init__(self, over: Over, tell: Tell) -> None:
        self.over = over
        self.tell = tell


def nobody(method: str, params: dict[str, Any], still: Callable[[], bool] = always) -> None:
    """Tells nobody."""
