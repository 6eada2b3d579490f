"""The rest of `make demo`: a small workspace of your own, and the gateway left serving it.

Writes `.bulkhead/demo/` (settings, the starter policy, a git repository), approves what its two tool
servers offer as an operator would, prints how to connect, and serves until Ctrl-C.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.request import urlopen

import click

HERE = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
DEMO = HERE / ".bulkhead" / "demo"
LISTEN = os.environ.get("BULKHEAD_DEMO_LISTEN", "127.0.0.1:8811")


def bulkhead(*words: str) -> str:
    """Run one command as an operator; its output. Ends the demo with that command's own line if it fails."""
    ran = subprocess.run(
        [sys.executable, "-m", "gateway", *words, "--config", str(DEMO / "bulkhead.yaml")],
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        sys.exit((ran.stderr or ran.stdout).strip())
    return ran.stdout.strip()


def workspace() -> list[str]:
    """Settings, policy and a repository with one commit, made once. The names of the tool servers."""
    DEMO.mkdir(parents=True, exist_ok=True)
    if not (DEMO / "policies").exists():
        shutil.copytree(HERE / "policies", DEMO / "policies")
    servers = {"time": {"command": [str(BIN / "mcp-server-time")]}}
    if shutil.which("git"):
        if not (DEMO / "notes").exists():
            repository(DEMO / "notes")
        command = [str(BIN / "mcp-server-git"), "--repository", str(DEMO / "notes")]
        servers["git"] = {"command": command}
    else:
        click.echo("No git on this machine: the demo goes on with the time server alone.")
    text = "# Made by `make demo`; JSON is YAML too.\n"
    text += json.dumps({"listen": LISTEN, "servers": servers}, indent=2)
    (DEMO / "bulkhead.yaml").write_text(text + "\n", encoding="utf-8")
    return list(servers)


def repository(path: Path) -> None:
    """A git repository with one commit."""
    path.mkdir()
    (path / "welcome.md").write_text("# Notes\n\nAn agent may read this.\n", encoding="utf-8")
    who = ["-c", "user.name=demo", "-c", "user.email=demo@localhost"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Welcome"]):
        subprocess.run(["git", "-C", str(path), *who, *words], check=True)


def introduce(serving: subprocess.Popen[bytes]) -> None:
    """Once it answers, say how to connect."""
    origin = f"http://{LISTEN}"
    for _ in range(200):
        try:
            with urlopen(f"{origin}/readyz", timeout=1):
                break
        except OSError:
            if serving.poll() is not None:
                return
            time.sleep(0.1)
    token = bulkhead("token", "--agent", "demo", "--ttl", "1h")
    entry = {
        "type": "http",
        "url": f"{origin}/mcp",
        "headers": {"Authorization": f"Bearer {token}"},
    }
    click.echo(
        f"""
The gateway serves {origin}/mcp for the agent `demo`, for one hour with this token:

{token}

Paste this into an MCP host's configuration (Claude Code, VS Code, Cursor and most others):

{json.dumps({"mcpServers": {"bulkhead": entry}}, indent=2)}

Then ask it what changed in {DEMO / "notes"}, or to reset it, and look at what was decided:

  {shlex.join([str(BIN / "bulkhead"), "journal", "list", "--config", str(DEMO / "bulkhead.yaml")])}

Ctrl-C stops the gateway and its tool servers.
"""
    )


def taken() -> bool:
    """Does somebody listen there? Then what would answer is not this demo's gateway."""
    host, _, port = LISTEN.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def main() -> int:
    """Set up, approve, serve."""
    if taken():
        elsewhere = "make demo BULKHEAD_DEMO_LISTEN=127.0.0.1:8812"
        sys.exit(f"{LISTEN} is already in use: stop what listens there, or `{elsewhere}`")
    for server in workspace():
        bulkhead("servers", "approve", server, "--all", "--yes")
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(DEMO / "bulkhead.yaml")]
    serving = subprocess.Popen(command)
    # From `kill` and from make it comes to this process alone: the gateway would stay, and keep the port.
    signal.signal(signal.SIGTERM, lambda *_: serving.terminate())
    threading.Thread(target=introduce, args=(serving,), daemon=True).start()
    while True:
        try:
            return serving.wait()
        except KeyboardInterrupt:
            continue  # it got the same signal and is stopping


if __name__ == "__main__":
    sys.exit(main())
