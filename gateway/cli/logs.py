"""What the gateway logs, on standard error: one line per event, whatever agents and tool servers put into it."""

from __future__ import annotations

import logging
from typing import Any

from gateway.catalogue.text import printable
from gateway.cli.visible import visible


class OneLine(logging.Formatter):
    """Control characters and line ends are spelt out; only a traceback has lines of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = visible(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return printable(super().formatException(ei))


def begin(level: str) -> None:
    """Log to standard error from here on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler])
