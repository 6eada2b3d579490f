"""A checkpoint's token is sent where nobody can read along, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import settings
from gateway.app.anchors import TOKEN, open_anchors
from gateway.errors import Misconfigured


def test_a_token_is_not_sent_in_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(url: str) -> int:
        path = tmp_path / "bulkhead.yaml"
        anchors = f"evidence: {{anchors: [{{url: '{url}'}}]}}"
        path.write_text(f"servers: {{git: {{command: [git]}}}}\n{anchors}\n")
        path.chmod(0o600)
        return len(open_anchors(settings.load(path)))

    assert opened("http://witness.example.com/x") == 1
    monkeypatch.setenv(TOKEN, "canary")
    assert opened("https://witness.example.com/x") == opened("http://localhost:1/x") == 1
    with pytest.raises(Misconfigured, match="https or this machine only") as no:
        opened("http://witness.example.com/x")
    assert "canary" not in str(no.value)
