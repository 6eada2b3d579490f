"""Whose fault is it? Every exception the gateway raises on purpose answers that in its type.

    BulkheadError
     |-- Refused          the caller's: one call gets a "no" with a reason code
     |-- Misconfigured    the operator's: found at start or reload, with file and line
     `-- JournalError     ours: what happened could not be written down, so the call fails closed

What a tool server did is not here: it is a value (`core.model.Outcome`), never an exception.
"""

from __future__ import annotations

import sys
from typing import final

from gateway.reasons import Reason
from gateway.values import Value


class Where(Value):
    """A place in an operator's file. Shown to operators only, never to an agent."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


def to_install(extra: str) -> str:
    """The hint for one of our extras: with the pip of the place we are installed in.

    Any other would bring what has our name on PyPI, and that is somebody else's.
    """
    return f"{sys.executable} -m pip install 'bulkhead[{extra}]'"


class BulkheadError(Exception):
    """Base of all errors raised on purpose."""


@final
class Refused(BulkheadError):
    """The caller may not have this. `reason` and `ticket` go to the agent, `detail` and `where` to the operator.

    `ticket`: what it waits for a person with. `too_soon`: it was asked for before its time, and nothing else."""

    def __init__(
        self,
        reason: Reason,
        detail: str = "",
        where: Where | None = None,
        rule: str = "",
        *,
        ticket: str = "",
        too_soon: bool = False,
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
        self.where = where
        self.rule = rule
        self.ticket = ticket
        self.too_soon = too_soon


@final
class Misconfigured(BulkheadError):
    """The operator's files or machine are not as they must be. The gateway does not serve."""

    def __init__(self, message: str, where: Where | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{hint}"


@final
class JournalError(BulkheadError):
    """A line could not be made durable. Nothing may be forwarded or answered on the strength of it."""
