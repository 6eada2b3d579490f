"""The frame of a call: all of it but its id and its arguments, as clients say it again and again. Pure.

What follows from it alone is concluded once and kept with it. It does not know what others conclude.
"""

from __future__ import annotations

from typing import Final

MEMBERS: Final = 3
"""Of the params of a call with a frame: `name`, `arguments`, `_meta`."""
META: Final = frozenset(
    {
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/clientCapabilities",
        "io.modelcontextprotocol/logLevel",
        "progressToken",
    }
)
"""Its `_meta` has no others: it is part of no trace, asks for no warrant, and nothing in it looks like another."""


class Frame:
    """Of `tools/call` by one name, with one `_meta`, at one endpoint. Not of one caller: that is asked each time."""

    __slots__ = ("course", "told_as_it_is")

    def __init__(self) -> None:
        self.course: object = None
        """What the Line followed last in it (line/courses.py)."""
        self.told_as_it_is = False
        """It was found that nothing is added to what the Line says of it (gate/front.py)."""
