"""`bulkhead` through its real entry point, in this process, where it costs less."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from subprocess import CompletedProcess
from unittest.mock import patch

from gateway.__main__ import main


def run(*words: str) -> CompletedProcess[str]:
    """What it printed, and its exit status."""
    out, err, status = StringIO(), StringIO(), 0
    argv = ["bulkhead", *words]
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", argv):
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    return CompletedProcess(argv, status, out.getvalue(), err.getvalue())
