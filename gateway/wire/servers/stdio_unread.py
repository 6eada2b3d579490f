"""A line of a tool server's output that is no JSON: whose answer it is, and how loudly people are told.

Some servers write there what they do, at every call, and a log would hold little else. It knows the
line and the log, and nothing of calls.
"""

from __future__ import annotations

from logging import INFO, WARNING, Logger
from typing import Final

from gateway.wire.servers.stdio_lines import EDGE, Overlong

MAX_LOUD: Final = 10
"""Lines of words of one process that are warnings."""
SHOWN: Final = 200


class Unread:
    """Those of one process."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._loud = MAX_LOUD

    def tell(self, line: bytes, shown: str, why: object) -> int | None:
        """The id of the request that it answers, if it says so."""
        said = Overlong(line[:EDGE], line[-EDGE:])
        # Words may hold a thing with an id, and a question has one of the server's own.
        is_answer = line.lstrip().startswith(b"{") and b'"jsonrpc"' in line and not said.is_message
        id = said.answer_to if is_answer else None
        level, more = (WARNING, "") if id is not None else self._loudness()
        self._log.log(level, "skipped a line: %s: %s%s", why, shown[:SHOWN], more)
        return id

    def stray(self) -> None:
        """An answer to nothing that was asked: some servers write what they do as objects."""
        level, more = self._loudness()
        self._log.log(level, "skipped an answer without one of our ids%s", more)

    def _loudness(self) -> tuple[int, str]:
        """How the next line is told, and what is added to it."""
        self._loud -= 1
        more = "" if self._loud else "; more of these are told at level info"
        return INFO if self._loud < 0 else WARNING, more
