"""Set-up by make, where there is no Python for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(
    ("python", "why"), [("", "none was found on PATH"), ("no python", "no python is none")]
)
def test_no_environment_is_made_by_what_is_no_python_for_it(
    tmp_path: Path, python: str, why: str
) -> None:
    for file in ("Makefile", "pyproject.toml", *(path.name for path in ROOT.glob("*.lock"))):
        shutil.copy(ROOT / file, tmp_path)
    words = ["make", f"PYTHON={python}", "demo"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.stderr.startswith(f"Bulkhead needs Python 3.11 or newer; {why}.\n")
    assert done.returncode == 2
    assert not (tmp_path / ".venv").exists()


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(("said", "told"), [("C", ""), ("POSIX", ""), ("C.UTF-8", "C.UTF-8")])
def test_no_command_of_make_runs_where_a_path_must_be_ascii(said: str, told: str) -> None:
    """An older Python did not start there in a checkout whose path is not."""
    words = ["make", "-s", "--eval", 'shown: ; @echo "$${LC_ALL-}"', "shown"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env |= {"LC_ALL": said}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{told}\n"
