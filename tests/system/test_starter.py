"""A program the starter starts ends as it would have ended by itself, and not before."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.system import starter

ENDS: Final = {
    "at its last line": "print('said')",
    "with a status": "import sys; print('said'); sys.exit(3)",
    "with nothing to say": "import sys; sys.exit(None)",
    "with a status of more than a byte": "import sys; sys.exit(259)",
    "with a status below nothing": "import sys; sys.exit(-1)",
    "with words": "import sys; sys.exit('no database')",
    "with words that are no text": "import sys; sys.exit(('lost', 1))",
    "with an error nobody caught": "raise KeyError('lost')",
    "with what is left to do": "import atexit; atexit.register(print, 'last')",
    "with a thread at work": (
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()"
    ),
    "with words nobody has pushed": "import sys; sys.stdout.reconfigure(line_buffering=False); print('said')",
    "by a signal": "import os; os.kill(os.getpid(), 10)",
}


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_a_program_ends_as_under_a_python_of_its_own(code: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(code)
    own = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    warm = starter.run([str(program)], tmp_path, 60)
    assert (warm.returncode, warm.stdout) == (own.returncode, own.stdout)
    assert (
        warm.stderr.splitlines()[-1:] == own.stderr.splitlines()[-1:]
    )  # above it, where it came from


def test_one_that_was_stopped_has_not_ended_and_goes_with_who_asked_for_it(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    command = [starter.python(), str(program)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as asker:
        assert asker.stdout is not None
        child = psutil.Process(int(asker.stdout.readline()))
        child.send_signal(signal.SIGSTOP)
        while child.status() != psutil.STATUS_STOPPED:
            assert asker.poll() is None
        asker.kill()
    child.wait(20)
