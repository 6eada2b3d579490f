"""A file is a sitting, a function fits in the eye. The tables of exceptions may only shrink."""

from __future__ import annotations

from typing import Final

from tests.house.source import GATEWAY, functions, python_files, short

MAX_FILE: Final = 300
MAX_FUNCTION: Final = 40

LONG_FILES: Final[dict[str, int]] = {
    "gateway/core/model.py": 426,  # the vocabulary is read in one piece
    "gateway/ports.py": 663,  # so are the seams
}
LONG_FUNCTIONS: Final[dict[str, int]] = {}


def test_no_file_is_longer_than_a_sitting() -> None:
    long = {
        short(path): lines
        for path in python_files(GATEWAY)
        if (lines := len(path.read_text().splitlines())) > LONG_FILES.get(short(path), MAX_FILE)
    }
    assert long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{short(path)}:{name}": lines
        for path in python_files(GATEWAY)
        for name, lines in functions(path)
        if lines > LONG_FUNCTIONS.get(f"{short(path)}:{name}", MAX_FUNCTION)
    }
    assert long == {}


def test_an_exception_that_is_no_longer_needed_is_gone_from_the_tables() -> None:
    files = {short(path): len(path.read_text().splitlines()) for path in python_files(GATEWAY)}
    assert [name for name in LONG_FILES if files.get(name, 0) <= MAX_FILE] == []
    lengths = {
        f"{short(path)}:{name}": lines
        for path in python_files(GATEWAY)
        for name, lines in functions(path)
    }
    assert [name for name in LONG_FUNCTIONS if lengths.get(name, 0) <= MAX_FUNCTION] == []
