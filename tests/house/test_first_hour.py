"""The tutorial, typed as it stands: its files, its commands, in its order, in an empty home."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.stories.stage import free_port
from tests.house.source import ROOT

PAGE: Final = (ROOT / "docs" / "tutorial" / "first-hour.md").read_text()
BLOCK: Final = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)

SERVE: Final = "cd ~/first-hour && bulkhead serve\n"
IN_A_SECOND_TERMINAL: Final = """\
mkfifo ready
bulkhead serve > ready 2>&1 & trap "kill $!" EXIT
exec 3< ready
until [[ $line == "bulkhead serves on "* ]]; do read -r line <&3; done
"""
CHANGE_OF_MIND: Final = """\
sed -i 's/^g, agent:analyst, role:reader, local$/&\\ng, agent:analyst, role:writer, local/' policies/policy.csv
until [[ $line == *"in force"* ]]; do read -r line <&3; done
"""
REFUSED_COMMIT: Final = (
    "$(bulkhead journal list --json | python -c 'import json, sys; print(next(call['\"'call_id'\"']"
    " for call in json.load(sys.stdin) if '\"'commit'\"' in json.dumps(call)))')"
)


def script(port: int) -> str:
    """The page as one bash script. What a reader does by hand in an editor is done by sed and cat."""
    lines = ["set -euo pipefail; line="]
    for text in BLOCK.findall(PAGE):
        typed = re.sub(r"^\$ ", "", text, flags=re.MULTILINE)
        if typed == SERVE:
            typed = IN_A_SECOND_TERMINAL
        if "--tier tool)" in typed:
            typed = CHANGE_OF_MIND + typed
        typed = typed.replace(":8811", f":{port}").replace(" ID\n", f" {REFUSED_COMMIT}\n")
        typed = typed.replace(
            "init --starter\n", f"init --starter\nsed -i s/:8811/:{port}/ bulkhead.yaml\n"
        )
        # The answer to "why?" is a no, and so is its exit status.
        lines.append(
            re.sub(r"^(bulkhead policy explain .*)$", r"\1 || true", typed, flags=re.MULTILINE)
        )
    return "\n".join(lines)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("git")), reason="needs curl and git")
def test_the_first_hour_goes_as_the_page_says(tmp_path: Path) -> None:
    programs = str(Path(sys.executable).parent)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [
            "bash",
            "-c",
            script(free_port()).replace("$PWD/.venv/bin", programs),
        ],
        cwd=ROOT,
        env={"PATH": path, "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    replies: list[dict[str, Any]] = [
        json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"jsonrpc"')
    ]
    readable, log, commit, nothing, other_door, writable = replies
    assert "git__git_log" in names(readable)
    assert "git__git_commit" not in names(readable)
    assert "The first commit" in log["result"]["content"][0]["text"]
    assert told(commit) == told(nothing)
    assert "error" in other_door
    assert "git__git_commit" in names(writable)


def names(reply: dict[str, Any]) -> set[str]:
    return {tool["name"] for tool in reply["result"]["tools"]}


def told(reply: dict[str, Any]) -> str:
    """A refusal without what differs by nature: the name asked for and the call's id."""
    text = json.dumps(reply)
    return re.sub(r"git__\w+|\"call\": \"\w+\"", "", text)
