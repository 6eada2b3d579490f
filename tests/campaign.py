"""Random sequences of calls on the three reference servers, each taken back, each compared by an outside look.

    python -m tests.campaign [SEQUENCES]

CRLF, BOM, NUL, Latin-1, binary, emoji, nested directories, calls that do nothing and calls that fail: the grounds
of gateway/certify. In every second lot a third of the answers is lost. The look goes past gateway, server and
companion: bytes and modes, refs, HEAD and index, the graph. One run that ends otherwise than it was said to is a
silent mis-restore, and ends the campaign with status 1, as does a part that did not come to its end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import click

from gateway.certify.trial import Wrong
from tests.undo.homes import SERVERS
from tests.undo.scratch import a_world

SEQUENCES = 10_000
SHARES = {"files": 0.4, "memory": 0.4, "git": 0.2}
LOT = 100
TOLD = ("runs", "calls", "restored", "compensated", "irreversible", "doubts", "settled")


def on(server: str, sequences: int, seed: int) -> None:
    """In a process of its own: a line of JSON after each lot."""
    with (
        tempfile.TemporaryDirectory(prefix=f"bulkhead-{server}-") as directory,
        a_world(server, Path(directory).resolve()) as world,
    ):
        for lot, start in enumerate(range(0, sequences, LOT)):
            many = min(LOT, sequences - start)
            try:
                tally = world.certify(many, seed + lot, 0.33 if lot % 2 else 0.0)
            except Wrong as wrong:
                click.echo(json.dumps({"wrong": str(wrong)}))
                return
            click.echo(json.dumps({name: asdict(tally)[name] for name in TOLD}))


def told(server: str, sequences: int, seed: int) -> tuple[Counter[str], str, int]:
    """The sum of its lots; what was wrong, if anything was; with which status it ended."""
    words = [sys.executable, "-m", "tests.campaign", server, str(sequences), str(seed)]
    total: Counter[str] = Counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lot = json.loads(line)
            if "wrong" in lot:
                return total, f"  WRONG: {lot['wrong']}", 0
            total.update(lot)
            click.echo(_line(server, total), err=True)
    return total, "", process.returncode


def main(sequences: int) -> int:
    """A line for each server and one for all."""
    seed = int(time.time())
    with ThreadPoolExecutor(len(SERVERS)) as threads:
        parts = [(name, round(sequences * SHARES[name])) for name in SERVERS]
        found = list(threads.map(lambda part: told(part[0], part[1], seed), parts))
    everything: Counter[str] = Counter()
    for name, (total, wrong, status) in zip(SERVERS, found, strict=True):
        everything.update(total)
        click.echo(_line(name, total) + wrong + (f"  ENDED with status {status}" if status else ""))
    mistaken = sum(bool(wrong) for _, wrong, _ in found)
    cut_short = sum(bool(status) for _, _, status in found)
    click.echo(_line("all", everything))
    runs = f"{everything['runs']} random sequences, {cut_short} parts cut short"
    click.echo(f"seed {seed}: {runs}, {mistaken} silent mis-restores")
    return 1 if mistaken or cut_short else 0


def _line(name: str, total: Counter[str]) -> str:
    return (
        f"{name}: {total['runs']} sequences, {total['calls']} calls that changed something: {total['restored']} "
        f"restored, {total['irreversible']} said to be irreversible; {total['doubts']} answers lost, "
        f"{total['settled']} settled by looking"
    )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        on(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SEQUENCES))
