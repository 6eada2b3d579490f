"""The verifier as a stranger has it: its one file, alone, in a Python that does not know the house."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from gateway.evidence import verify


def verified(paper: Any, key: str, place: Path, *options: str) -> tuple[int, str]:
    """Exit status, and what it says of this paper. `place`: a directory it may use."""
    place.mkdir(exist_ok=True)
    shutil.copy(verify.__file__, place / "verify.py")
    (place / "paper.json").write_text(json.dumps(paper))
    words = [sys.executable, "-I", "verify.py", "--key", key, *options, "paper.json"]
    ran = subprocess.run(words, cwd=place, capture_output=True, text=True, timeout=60)
    return ran.returncode, ran.stdout + ran.stderr
