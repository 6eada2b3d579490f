"""Stands where a Python stands on a command line: has the starter run it, on these streams, and ends as it does.

Run with -IS, so it loads next to nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from typing import Final

NUMBER: Final = struct.Struct("!i")


def ask(place: str, words: list[str], cwd: str, streams: list[int]) -> socket.socket:
    """Where the starter says the new process's id, and then its exit status."""
    conversation = socket.socket(socket.AF_UNIX)
    conversation.connect(place)
    job = {"words": words, "cwd": cwd, "env": dict(os.environ)}
    socket.send_fds(conversation, [json.dumps(job).encode() + b"\n"], streams)
    return conversation


def number(conversation: socket.socket) -> int:
    """The next that is said there."""
    said = conversation.recv(NUMBER.size, socket.MSG_WAITALL)
    assert said, "the starter is gone"
    return int(NUMBER.unpack(said)[0])


def stand_in(place: str, words: list[str]) -> None:
    """To the end, and the same end."""
    conversation = ask(place, words, os.getcwd(), [0, 1, 2])
    number(conversation)
    for stream in range(3):
        os.close(stream)
    status = number(conversation)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    stand_in(sys.argv[1], sys.argv[2:])
