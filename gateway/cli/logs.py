"""What the gateway logs, on standard error: one line per event, whatever agents and tool servers put into it."""

from __future__ import annotations

import logging
from json import dumps
from typing import Any, Literal

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


class AsJson(logging.Formatter):
    """One JSON object a line; whatever is in it, it stays one line."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return dumps(said)


Form = Literal["text", "json"]


def begin(level: str, form: Form = "text") -> None:
    """Log to standard error from here on."""
    handler = logging.StreamHandler()
    handler.setFormatter(AsJson() if form == "json" else OneLine())
    logging.basicConfig(level=level.upper(), handlers=[handler])
