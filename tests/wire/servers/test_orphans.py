"""What a first process inherits is not kept for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEIR = """\
import ctypes, os, subprocess, time
from psutil import Process
from gateway.wire.servers.orphans import hear_out

def ended(pid):
    while Process(pid).status() != "zombie":
        time.sleep(0.01)

if ctypes.CDLL(None).prctl(36, 1, 0, 0, 0):  # PR_SET_CHILD_SUBREAPER: as the first process of a container is
    raise SystemExit(77)
wrapper = subprocess.Popen(["sh", "-c", "sleep 0.1 & echo $!"], stdout=subprocess.PIPE)
orphan = int(wrapper.communicate()[0])
own = subprocess.Popen(["true"])
ended(orphan)
hear_out({own.pid})
assert [child.pid for child in Process().children()] == [own.pid], "the orphan is still there"
ended(own.pid)
hear_out({own.pid})
assert own.wait(10) == 0 and own.returncode == 0
hear_out(set())
"""


def test_an_orphan_is_heard_out_and_a_tool_server_is_left_to_its_own() -> None:
    words = [sys.executable, "-c", HEIR]
    ran = subprocess.run(words, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE, timeout=60)
    if ran.returncode == 77:
        pytest.skip("nobody inherits processes here but the first")
    assert ran.returncode == 0, ran.stderr.decode()
