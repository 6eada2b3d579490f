"""Nothing an agent or a tool server says can write a log line of its own, or act on a terminal."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from click.testing import CliRunner

from gateway.cli import serve
from gateway.cli.logs import AsJson, OneLine

FORGED = "gone\n2026-11-24 00:00:00,000 WARNING bulkhead all is well\x1b[2J\u202e"


def _record(exc: BaseException | None = None) -> logging.LogRecord:
    info = None if exc is None else (type(exc), exc, exc.__traceback__)
    return logging.LogRecord(
        "bulkhead", logging.WARNING, __file__, 1, "%s: %s", ("s", FORGED), info
    )


def test_a_message_is_one_line_of_visible_characters() -> None:
    line = OneLine().format(_record())
    assert line.isprintable()
    assert "gone\\n2026-11-24" in line and "\\x1b[2J" in line


def test_a_traceback_keeps_its_lines_and_nothing_else_acts() -> None:
    try:
        raise ValueError("\x1b]0;owned\x07")
    except ValueError:
        text = OneLine().format(_record(sys.exception()))
    assert len(text.splitlines()) > 3
    assert all(line.isprintable() for line in text.split("\n"))
    assert "owned" in text


@pytest.mark.parametrize("word", ["plain", "für", "日本"])
def test_words_stay_as_they_are(word: str) -> None:
    record = logging.LogRecord("b", logging.INFO, __file__, 1, word, (), None)
    assert OneLine().format(record).endswith(f" {word}")


def test_a_level_that_is_none_is_a_usage_error() -> None:
    result = CliRunner().invoke(serve.command, ["--log-level", "bogus"])
    assert result.exit_code == 2
    assert "bogus" in result.output


def test_a_json_log_is_one_object_a_line_whatever_is_said() -> None:
    try:
        raise ValueError("\x1b]0;owned\x07")
    except ValueError:
        line = AsJson().format(_record(sys.exception()))
    assert line.isascii() and line.isprintable()
    said = json.loads(line)
    assert (said["level"], said["logger"]) == ("warning", "bulkhead")
    assert said["message"] == f"s: {FORGED}"
    assert "owned" in said["traceback"]
