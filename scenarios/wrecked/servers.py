"""The npm file and memory servers, pinned and installed as the tests have them: `servers.py files|memory PATH`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import npm

which, path = sys.argv[1], Path(sys.argv[2])
if which == "files":
    command, variables = npm.filesystem(path), {}
else:
    command, variables = npm.memory(path)
os.execve(command[0], command, {**os.environ, **variables})
