"""Signed checkpoints of the log: notes in the form of C2SP tlog-checkpoint, by a key that signs nothing else.

What a checkpoint shows, and what only one that somebody else holds can show, stands in docs/explanation/evidence.md.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

from gateway.evidence.verify import Checkpoint, Key, checkpoint_text
from gateway.signer import Signer
from gateway.values import Value

KEY_FILE: Final = "checkpoint.key"


class Notary(Value):
    """Signs for one installation's log."""

    signer: Signer

    @classmethod
    def open(cls, state_dir: Path) -> Notary:
        """With the key of this installation, made when there is none. Raises `Misconfigured`."""
        return cls(Signer.open(state_dir / KEY_FILE))

    @property
    def key(self) -> Key:
        """Its public half. The name is the log's origin: two installations never share one."""
        public = self.signer.public
        return Key(f"bulkhead/{hashlib.sha256(public).hexdigest()[:16]}", public)

    @property
    def public_key(self) -> str:
        """As it is published: a verifier key in C2SP's spelling."""
        key = self.key
        coded = base64.b64encode(b"\1" + key.public).decode()
        return f"{key.name}+{key.number.hex()}+{coded}"

    def note(self, checkpoint: Checkpoint) -> str:
        """The checkpoint, signed."""
        key = self.key
        text = checkpoint_text(key.name, checkpoint.size, checkpoint.root)
        signature = base64.b64encode(key.number + self.signer.sign(text.encode())).decode()
        return f"{text}\n\u2014 {key.name} {signature}\n"
