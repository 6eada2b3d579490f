"""Certificates of undo packs: `<policies>/undo/<server>.lock`, signed, and whose signatures count.

A certificate says that random calls were made at a real server of one exact version, taken back with
exactly this pack, and that the world was then as before, by a look that did not go through the gateway.
`<policies>/undo/certifiers.json` names the keys an operator believes. It knows no pack's contents.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from gateway.config.yamlfile import MAX_BYTES, text_of
from gateway.errors import Misconfigured, Where
from gateway.files import whole
from gateway.signer import Signer, is_signed
from gateway.values import Value, as_plain, field

Proven: TypeAlias = Mapping[str, frozenset[str]]
"""Tool -> tools whose later calls it may be undone before: tried, and the world was as before all the same."""
CERTIFIERS: Final = "certifiers.json"
KEY_FILE: Final = "certifier.key"
_CONTEXT: Final = b"bulkhead undo certificate 1\n"
"""Signed in front of the statement, so that no other signature of the same key can be taken for one."""


class Certificate(Value):
    """What was tried and what came of it."""

    pack: str
    """`sha256:<hex>` of the pack file's bytes."""
    server_name: str
    """`serverInfo.name`, and its version below: the very server that was tried."""
    server_version: str
    ground: str
    """The scratch world and its random calls: a name, or `<file>@sha256:<hex>`."""
    runs: int
    seed: int
    calls: int
    """Calls that changed something, of all runs."""
    restored: int
    """Of those: taken back, and the world was as before."""
    compensated: int
    irreversible: int
    """Calls the pack itself said could not be taken back."""
    cases: Mapping[str, int]
    """`<tool>#<n>`, the nth case of that tool -> how often it was taken back."""
    out_of_turn: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Tool -> tool of a later call -> how often the first was taken back before the later one, and the world was as
    before. Nothing where that went wrong, and in certificates made when nobody tried it."""


def certifier(state_dir: Path) -> Signer:
    """The key of this installation, made when there is none. Raises `Misconfigured`."""
    return Signer.open(state_dir / KEY_FILE)


def lock(certificate: Certificate, signer: Signer) -> str:
    """The lock file's text."""
    statement = as_plain(certificate)
    signature = base64.b64encode(signer.sign(_signed(statement))).decode()
    signed = {"certificate": statement, "signed_by": signer.name, "signature": signature}
    return json.dumps(signed, indent=2) + "\n"


def holding(directory: Path, packs: Mapping[str, str]) -> dict[str, dict[str, Proven]]:
    """`<server>@<digest>` -> the server versions it is certified for, each with what is proven of it.

    `packs`: server -> digest of its file. A certificate of another file, of a key the operator does not
    name, or with a wrong signature certifies nothing; a file that is no lock at all is `Misconfigured`."""
    believed = certifiers(directory)
    held: dict[str, dict[str, Proven]] = {}
    for server, digest in packs.items():
        path = directory / f"{server}.lock"
        found = read(path) if path.exists() else None
        if found is None:
            continue
        certificate, signer, sound = found
        if sound and signer in believed and certificate.pack == digest:
            proven = {tool: frozenset(later) for tool, later in certificate.out_of_turn.items()}
            held[f"{server}@{digest}"] = {certificate.server_version: proven}
    return held


def read(path: Path) -> tuple[Certificate, str, bool]:
    """The certificate, who signed it, and whether the signature is that key's. Raises `Misconfigured`."""
    try:
        lock = json.loads(text_of(path, MAX_BYTES))
        statement, signer = lock["certificate"], str(lock["signed_by"])
        certificate = Certificate(**statement)
        signature = base64.b64decode(lock["signature"], validate=True)
    except (ValueError, TypeError, KeyError, binascii.Error):
        raise Misconfigured(
            "not a certificate", Where(str(path)), "certify the pack again"
        ) from None
    return certificate, signer, is_signed(signer, signature, _signed(statement))


def certifiers(directory: Path) -> frozenset[str]:
    """The keys an operator believes. Raises `Misconfigured`."""
    path = directory / CERTIFIERS
    if not path.exists():
        return frozenset()
    try:
        tree = json.loads(text_of(path, MAX_BYTES))
        keys = tree["certifiers"]
        if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
            raise TypeError
    except (ValueError, TypeError, KeyError):
        raise Misconfigured('must be {"certifiers": {name: key}}', Where(str(path))) from None
    return frozenset(keys.values())


def believe(directory: Path, key: str) -> bool:
    """Add this installation's key; False if it is believed already. Raises `Misconfigured`."""
    path = directory / CERTIFIERS
    if key in certifiers(directory):
        return False
    tree = json.loads(path.read_text()) if path.exists() else {"certifiers": {}}
    tree["certifiers"][_free("this installation", tree["certifiers"])] = key
    whole.replace(path, f"{json.dumps(tree, indent=2)}\n".encode(), whole.SHARED)
    return True


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def _signed(statement: Mapping[str, Any]) -> bytes:
    """One spelling for one statement."""
    return _CONTEXT + json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
