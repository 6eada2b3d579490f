"""Names a story cannot know before it is played: tickets and grants, put where their marks stand.

{ticket}   the latest ticket an agent was told        {window}   the latest an operator was
{grant}    the latest grant an operator gave          {handed}   the latest an agent was told
{undo}     the latest undo that was told to be open
"""

from __future__ import annotations

import re
from typing import Final

_TICKET: Final = re.compile(r"\b[a-z2-7]{25}\b")
_GRANT: Final = re.compile(r"^grant +([a-z2-7]{16})$", re.MULTILINE)
_UNDO: Final = re.compile(r"--resume ([a-z2-7]{16})\b")
_HANDED: Final = re.compile(r'"id": ?"([a-z2-7]{16})"')


class Marks:
    """What was heard so far."""

    def __init__(self) -> None:
        self._heard: dict[str, str] = {}

    def agent_heard(self, text: str) -> None:
        """What an agent was answered."""
        self._note("{ticket}", _TICKET, text)
        self._note("{handed}", _HANDED, text)

    def operator_saw(self, text: str) -> None:
        """What a command printed."""
        self._note("{window}", _TICKET, text)
        self._note("{grant}", _GRANT, text)
        self._note("{undo}", _UNDO, text)

    def put(self, text: str) -> str:
        """The text with what is known in the places of the marks."""
        for mark, name in self._heard.items():
            text = text.replace(mark, name)
        return text

    def _note(self, mark: str, shape: re.Pattern[str], text: str) -> None:
        found = shape.search(text)
        if found:
            self._heard[mark] = found[found.re.groups]
