"""Kills the process groups of tool servers when the gateway is gone, however it went.

Runs as a program of its own (`python -I -S stdio_guard.py`), one per gateway, and reads its standard
input: `+<group>` to watch a group, `-<group>` to forget it. End of input means that the gateway is
dead, by `kill -9` if need be, and then every watched group is killed. A server that reads its own
input would see that by itself; a hung one, or the child of a wrapper such as npx, would not.

Standard library only, and nothing of the gateway: it must start in milliseconds and stay small.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Watch until the gateway's end of the pipe is closed."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main()
