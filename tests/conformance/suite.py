"""The official conformance suite as a value: run it against an address, get each scenario's checks back.

Two releases are locked in tests/conformance/node: `next` knows all eras, `latest` those up to 2025-11-25.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from ruamel.yaml import YAML

from tests import npm

Release = Literal["next", "latest"]
REVISIONS: Final = ("2026-07-28", "2025-11-25")
TIMEOUT: Final = 600.0
_FOLDER: Final = re.compile(r"(?:server-)?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z")


@dataclass(frozen=True, slots=True)
class Result:
    """What one scenario found."""

    checks: tuple[tuple[str, str, str], ...]
    """Id, status (SUCCESS, FAILURE, WARNING, SKIPPED, INFO), and what was wrong."""

    @property
    def passed(self) -> bool:
        """As the suite itself counts: no check failed."""
        return bool(self.checks) and not self.failures

    @property
    def failures(self) -> tuple[str, ...]:
        """The checks that failed, with the suite's words."""
        return tuple(f"{id}: {why}" for id, status, why in self.checks if status == "FAILURE")

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """How often each check came out how: what two runs are compared by."""
        return Counter((id, status) for id, status, _ in self.checks if status != "INFO")


def command(release: Release) -> tuple[str, ...]:
    """The command that runs a release; installs it first."""
    npm.install(npm.CONFORMANCE)
    script = npm.CONFORMANCE / "node_modules" / f"conformance-{release}" / "dist" / "index.js"
    return (str(npm.node()), str(script))


def run(
    leg: Literal["server", "client"],
    words: Sequence[str],
    out: Path,
    *,
    release: Release = "next",
    environment: Mapping[str, str] | None = None,
) -> dict[str, Result]:
    """Run it with these options; results by scenario. Raises `RuntimeError` if it says nothing."""
    out.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*command(release), leg, *words, *_patience(release, leg), "-o", str(out)],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    (out / "said.txt").write_text(done.stdout + done.stderr)
    found = dict(_results(out))
    if not found:
        raise RuntimeError(f"the suite found nothing:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return found


def _patience(release: Release, leg: str) -> tuple[str, ...]:
    """Half a minute for a scenario is the suite's own choice: on a busy machine a gateway takes that to start."""
    return ("--timeout", "120000") if release == "next" or leg == "client" else ()


def _results(out: Path) -> list[tuple[str, Result]]:
    results = []
    for checks in sorted(out.glob("**/checks.json")):
        named = _FOLDER.fullmatch(checks.parent.relative_to(out).as_posix())
        if named is not None:
            read: list[dict[str, Any]] = json.loads(checks.read_text())
            results.append((named[1], Result(tuple(map(_check, read)))))
    return results


def _check(raw: Mapping[str, Any]) -> tuple[str, str, str]:
    return raw["id"], raw["status"], str(raw.get("errorMessage") or raw.get("description", ""))


@dataclass(frozen=True, slots=True)
class Required:
    """What a revision asks of one leg, as the suite's own frozen list has it."""

    scored: tuple[str, ...]
    unscored: tuple[str, ...]


@cache
def required(revision: str, leg: Literal["server", "client"]) -> Required:
    """The scenarios of a revision that are not about OAuth."""
    npm.install(npm.CONFORMANCE)
    file = npm.CONFORMANCE / "node_modules" / "conformance-next" / "requirements"
    tree = YAML(typ="safe").load(file / f"{revision}.yaml")
    rest = [each["scenario"] for each in tree["not_scored"] if each["leg"] == leg]
    return Required(
        tuple(name for name in tree[leg] if not name.startswith("auth/")),
        tuple(name for name in rest if not name.startswith("auth/")),
    )
