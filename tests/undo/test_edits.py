"""What an edit will make of a file is said as the real server does it: both are asked, on the same rude texts."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from gateway.undo.edits import edited
from tests.house.source import ROOT

LIB = ROOT / "tests/node/node_modules/@modelcontextprotocol/server-filesystem/dist/lib.js"
PIECES = (
    "one", "two", "\n", "\r\n", "\r", "  ", "\t", "\xa0", "\ufeff", "\x1c", "\x85", "\u2028",
    "$&", "$1", "\U0001f600", "é", "\0",
)  # fmt: skip
SCRIPT = """
import { applyFileEdits } from 'LIB';
import { readFileSync, writeFileSync } from 'fs';
const cases = JSON.parse(readFileSync(process.argv[2]));
const said = [];
for (const { path, edits } of cases) {
  try { await applyFileEdits(path, edits); said.push(readFileSync(path).toString('base64')); }
  catch { said.push(null); }
}
writeFileSync(process.argv[2], JSON.stringify(said));
"""


def text(rng: Random, most: int) -> str:
    return "".join(rng.choice(PIECES) for _ in range(rng.randint(0, most)))


def case(rng: Random) -> tuple[bytes, list[dict[str, str]]]:
    """Edits of which some find their text, some only but for white space, and some nothing."""
    whole = text(rng, 12)
    data = whole.encode() + rng.choice((b"", b"", b"\xff", b"\xe2\x82"))
    edits = []
    for _ in range(rng.randint(1, 2)):
        start = rng.randint(0, len(whole))
        old = whole[start : start + rng.randint(1, 5)] or "one"
        if rng.random() < 0.5:
            old = "\n".join(f" {line.strip()}" for line in old.split("\n"))
        edits.append({"oldText": old, "newText": text(rng, 5)})
    return data, edits


def predicted(data: bytes, edits: list[dict[str, str]]) -> str | None:
    try:
        return edited(base64.b64encode(data).decode(), edits)
    except ValueError:
        return None


@pytest.mark.skipif(shutil.which("node") is None or not LIB.exists(), reason="no node, no server")
def test_it_says_what_the_real_server_does(tmp_path: Path) -> None:
    rng = Random(20261128)
    cases = [case(rng) for _ in range(400)]
    asked = []
    for number, (data, edits) in enumerate(cases):
        (tmp_path / str(number)).write_bytes(data)
        asked.append({"path": str(tmp_path / str(number)), "edits": edits})
    (tmp_path / "cases.json").write_text(json.dumps(asked))
    (tmp_path / "run.mjs").write_text(SCRIPT.replace("LIB", LIB.as_uri()))
    subprocess.run(
        ["node", "run.mjs", "cases.json"],
        cwd=tmp_path,
        check=True,
        timeout=60,
        env=dict(os.environ),
    )
    done = json.loads((tmp_path / "cases.json").read_text())
    said = [predicted(data, edits) for data, edits in cases]
    for number, (one, other) in enumerate(zip(done, said, strict=True)):
        assert one == other, (cases[number], one, other)
    assert sum(one is not None for one in done) > 100
    assert sum(one is None for one in done) > 20


def test_an_edit_that_finds_nothing_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="finds nothing"):
        edited(base64.b64encode(b"one\n").decode(), [{"oldText": "three", "newText": ""}])
