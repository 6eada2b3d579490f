from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import play, root
from gateway.errors import Misconfigured
from tests.stories.examples import small, written

ROOT = Path(__file__).parents[2]
ASKING = """\
from gateway import __main__ as entry
from gateway.cli.options import confirm
entry.root.main = lambda **how: confirm("Undo this?", err=False)
entry.main()
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_where_nobody_can_be_asked_it_says_so_and_does_nothing(closed: str) -> None:
    shell = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, ASKING]
    done = subprocess.run(shell, cwd=ROOT, input="y\n", capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "nobody to ask: say --yes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "status", "said"), [("", 2, "say --yes"), ("n\n", 130, ""), ("y\n", 0, "")]
)
def test_an_input_that_ends_without_an_answer_is_told_apart_from_a_no(
    answer: str, status: int, said: str
) -> None:
    words = [sys.executable, "-c", ASKING]
    done = subprocess.run(words, cwd=ROOT, input=answer, capture_output=True, text=True, timeout=30)
    assert done.returncode == status
    assert said in done.stderr and bool(said) == bool(done.stderr)


def test_without_a_place_for_a_scratch_directory_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = written(tmp_path / "clock", small())
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nonexistent"])
    with pytest.raises(Misconfigured, match=r"No usable temporary directory.*TMPDIR"):
        CliRunner().invoke(play.command, [str(story)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("rolback", "'rolback'. Is it rollback?"),
        ("servr", "servers or serve?"),
        ("xyz", "'xyz'.\n"),
    ],
)
def test_a_misspelt_command_is_told_with_what_it_may_mean(typed: str, said: str) -> None:
    ran = CliRunner().invoke(root, [typed])
    assert ran.exit_code == 2
    assert said in ran.output
