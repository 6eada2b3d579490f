"""Environments for peers, below .bench/peers: made once, from the lock files beside this file.

A peer that cannot be set up raises `CannotInstall`, with the installer's own last words.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests import npm

HERE: Final = Path(__file__).parent
PLACE: Final = HERE.parents[1] / ".bench" / "peers"
PATIENCE: Final = 900


class CannotInstall(Exception):
    """This peer is not to be had on this machine."""


def python(name: str) -> Path:
    """The `bin` of a virtual environment with what python/NAME.lock says."""
    lock, home = HERE / "python" / f"{name}.lock", PLACE / name
    stamp, wanted = home / ".installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(home))
        pip = (str(home / "bin" / "python"), "-m", "pip", "install", "--quiet")
        _run(*pip, "--require-hashes", "-r", str(lock))
        stamp.write_text(wanted)
    return home / "bin"


def node(package: str) -> Path:
    """A package of node/package-lock.json, installed."""
    home = PLACE / "node"
    home.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(HERE / "node" / file, home / file)
    try:
        npm.install(home)
    except (RuntimeError, OSError, subprocess.SubprocessError) as reason:
        raise CannotInstall(str(reason)) from reason
    return home / "node_modules" / package


def version(name: str, package: str) -> str:
    """What the environment of this name holds of a package."""
    (found,) = (PLACE / name).glob(
        f"lib/python3*/site-packages/{package.replace('-', '_')}-*.dist-info"
    )
    match = re.fullmatch(r".+-([^-]+)\.dist-info", found.name)
    assert match is not None
    return match[1]


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.CalledProcessError as failed:
        raise CannotInstall((failed.stderr or failed.stdout).strip()[-500:]) from failed
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise CannotInstall(str(failed)) from failed
