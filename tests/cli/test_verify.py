from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_without_standard_output_the_exit_status_tells(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("{}")
    words = 'exec "$0" -m gateway verify --key none none.json >&-'
    shell = ["sh", "-c", words, sys.executable]
    ran = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (2, "")
