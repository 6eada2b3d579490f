"""The npm file server, pinned and installed as the tests have it: `servers.py PATH`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import npm

command = npm.filesystem(Path(sys.argv[1]))
os.execve(command[0], command, dict(os.environ))
