"""Checks evidence with `cryptography` alone: `python verify.py --key KEY [--policy DIGEST] [--since NOTE] FILE...`

Proofs are RFC 9162's (2.1), checkpoints signed notes (C2SP). Of a warrant, worked out anew from its lines, it says:
    authorised  a rule of a policy version allowed it (and a person, where one was to), before it was sent
    bounded     a grant that was in force covered its agent, tier, tool and destination
    reversible  it changed nothing, was taken back, or can be until a time that has not come
FILE: a warrant, or from `evidence prove`; with --since, from `evidence extends`. Exit: 0 all hold, 1 not, 2 not sound.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Line = dict[str, Any]
OPEN = ("held", "intent", "in_doubt", "needs_human", "undoing")
NOTHING, LEVELS = ("not_applied", "no_effect"), ("compensable", "set_exact", "exact", "noop")
RECORD = "call agent on_behalf_of tenant task intent endpoint method server target tier".split()
RECORD += "effect destination rule where policy_version duties ticket descriptor grant".split()


class Unsound(Exception):
    """The evidence does not hold; its words say why."""


def _raw(coded: str) -> bytes:
    if base64.b64encode(raw := base64.b64decode(coded)).decode() == coded:
        return raw
    raise ValueError("base64 that is not the one text of its bytes")


class Checkpoint(NamedTuple):
    """What a signed note says of a log: how long it was, and its root."""

    size: int
    root: bytes


def leaf_hash(body: bytes) -> bytes:
    return hashlib.sha256(b"\0" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def split(count: int) -> int:
    """Where a tree of so many leaves divides: the largest power of two below it."""
    return 1 << (count - 1).bit_length() - 1


def check_inclusion(leaf: bytes, index: int, log: Checkpoint, path: Sequence[bytes]) -> None:
    """RFC 9162, 2.1.3: `leaf` is number `index` of the log. Raises `Unsound`."""
    if not 0 <= index < log.size or _led(leaf, index, log.size, path) != log.root:
        raise Unsound(f"line {index + 1} is not in the checkpoint's log")


def _led(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    if (size == 1) is not (not path):
        raise Unsound("a proof of another length than its log asks for")
    if size == 1:
        return leaf
    if index < split(size):
        return node_hash(_led(leaf, index, split(size), path[:-1]), path[-1])
    return node_hash(path[-1], _led(leaf, index - split(size), size - split(size), path[:-1]))


def check_consistency(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> None:
    """RFC 9162, 2.1.4: the old log is the beginning of the new one. Raises `Unsound`."""
    if not 0 < old.size <= new.size:
        raise Unsound(f"the log was cut off: it had {old.size} lines, and has {new.size}")
    whole = [old.root] if old.size == new.size or old.size & (old.size - 1) == 0 else []
    if _both(old.size, new.size, [*whole, *path]) != (old.root, new.root):
        raise Unsound("the log before this checkpoint was changed")


def _both(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of then and of now this path leads to. It begins with the last whole subtree of then."""
    if (old == new) is not (len(path) == 1) or not path:
        raise Unsound("a proof of another length than its logs ask for")
    if old == new:
        return path[0], path[0]
    if old <= split(new):
        then, now = _both(old, split(new), path[:-1])
        return then, node_hash(now, path[-1])
    then, now = _both(old - split(new), new - split(new), path[:-1])
    return node_hash(path[-1], then), node_hash(path[-1], now)


class Key(NamedTuple):
    """A checkpoint key: `<name>+<hash>+<base64>`, as C2SP signed notes spell it."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Key:
        with suppress(ValueError):
            name, number, coded = text.strip().split("+", 2)
            key = cls(name, _raw(coded)[1:])
            if _raw(coded) == b"\1" + key.public[:32] and key.number.hex() == number:
                return key
        raise Unsound("not a checkpoint key: <name>+<hash>+<base64>")

    @property
    def number(self) -> bytes:
        """Its 4 bytes in front of a signature."""
        return hashlib.sha256(self.name.encode() + b"\n\1" + self.public).digest()[:4]


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def open_note(note: str, key: Key) -> Checkpoint:
    """The checkpoint in a note this key has signed. Raises `Unsound`."""
    with suppress(ValueError, InvalidSignature):
        text, _, signatures = note.rstrip().partition(f"\n\u2014 {key.name} ")
        (_, size, root), (own, *others) = text.splitlines(), signatures.splitlines()
        said, raw = Checkpoint(int(size), _raw(root)), _raw(own)
        Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], text.encode())
        fits = raw[:4] == key.number and all(other[:2] == "\u2014 " for other in others)
        if fits and checkpoint_text(key.name, said.size, said.root) == text:
            return said
    raise Unsound(f"no checkpoint that {key.name} signed")


def told(call: Sequence[Line], grants: Sequence[Line], undone: Sequence[Line]) -> dict[str, Any]:
    """What a warrant says, from the lines of the call, of the grants above it, and of its undoing."""
    sent: Line = next((line for line in call if line["kind"] == "intent"), {})
    record: Line = {**call[0], **call[0]["record"], **call[0]["body"], **sent.get("body", {})}
    undo = [line["body"].get("undo") or {} for line in call]
    return {
        "v": 2,
        **{name: record.get(name, "") for name in RECORD},
        "payloads": [line.get("payloads", {}) for line in call],
        "grants": [line["body"] for line in grants],
        "budget": sent.get("budget", []),
        "credential": "".join(line["body"].get("credential", "") for line in call),
        "undo": {name: one[name] for one in undo for name in one if name != "kept"},
        "sent_at": sent.get("at"),
        "state": call[-1]["kind"],
        "undone": [{"undo": line["call"], "at": line["at"], **line["body"]} for line in undone],
    }


def signed_bytes(doc: dict[str, Any]) -> bytes:
    """The bytes under a warrant's signature. No other signature of the key is over what begins so."""
    return b"bulkhead warrant 1\n" + json.dumps(doc, sort_keys=True, separators=(",", ":")).encode()


def check(document: dict[str, Any], key: Key) -> dict[str, Any]:
    """The warrant in the document, every word of it proven. Raises `Unsound`."""
    try:
        warrant, signature = dict(document["warrant"]), _raw(document["signature"])
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed_bytes(warrant))
        checkpoint = open_note(document["checkpoint"], key)
        parts = ("call", "grants", "undone")
        call, grants, undone = ([_proven(e, checkpoint) for e in document[p]] for p in parts)
        order, ids = [event["index"] for event in document["call"]], {line["call"] for line in call}
        fits = told(call, grants, undone) == warrant and order == sorted(set(order))
        fits &= all(line["kind"] in OPEN for line in call[:-1])  # none is behind the call's end
        fits &= len(document) == 6 and all(len(event) == 3 for p in parts for event in document[p])
        fits &= len(ids) == 1 and all({line["body"].get("of")} <= {*ids, None} for line in undone)
        fits &= all(line["record"]["method"] == "grants/created" for line in grants)
        sent = [at for at, line in zip(order, call, strict=True) if line["kind"] == "intent"]
        fits &= all(given["index"] < at for given in document["grants"] for at in sent)
    except (KeyError, TypeError, ValueError, IndexError, InvalidSignature) as error:
        raise Unsound(f"not a warrant of this key: {type(error).__name__}: {error}") from None
    if not fits:
        raise Unsound("the warrant says other than the journal's lines in it")
    return warrant


def _proven(event: dict[str, Any], checkpoint: Checkpoint) -> Line:
    body, path = _raw(event["body"]), [_raw(step) for step in event["inclusion"]]
    check_inclusion(leaf_hash(body), event["index"], checkpoint, path)
    return dict(json.loads(body))


def authorised(warrant: dict[str, Any], policies: Sequence[str]) -> tuple[bool, str]:
    """By which rule of which policy. `policies`: the versions that are believed; none means any."""
    version, asks = warrant["policy_version"], "=approve" in warrant["duties"]
    if warrant["sent_at"] is None or not warrant["rule"]:
        return False, f"it was not sent by a rule: {warrant['state']}"
    if policies and version not in policies:
        return False, f"decided by a policy that is not believed: {version}"
    if asks and not (warrant["ticket"] or warrant["method"].startswith("tasks/")):
        return False, "a person was to approve it, and it names no ticket"
    return True, f"rule {warrant['rule']} ({warrant['where']}) of policy {version}"


def bounded(warrant: dict[str, Any]) -> tuple[bool, str]:
    """By which grant, and until when."""
    sent, tool = warrant["sent_at"], f"{warrant['server']}/{warrant['target']}"
    if sent is None:
        return True, "nothing was sent"
    if not (above := warrant["grant"]):
        return False, "no grant bound it: a standing role was enough"
    for grant in warrant["grants"]:
        for holds, why in (
            (grant["grant"] == above, f"is not {above}, which it was made under"),
            (sent < grant["expires"], "was over when it was sent"),
            (warrant["tier"] in grant["tiers"], f"does not give tier {warrant['tier']}"),
            (_any(tool, grant["tools"]), f"does not give {tool}"),
            (_any(warrant["destination"], grant["destinations"]), "does not give its destination"),
        ):
            if not holds:
                return False, f"grant {grant['grant']} {why}"
        above = grant.get("of", "")
    first: Line = next(iter(warrant["grants"]), {})
    left = {f"{b['grant']} {n}": have for b in warrant["budget"] for n, have in b["after"].items()}
    if above or first["agent"] != warrant["agent"] or min(left.values(), default=0) < 0:
        return False, f"grant {above or first['grant']} is not shown, another agent's, or overdrawn"
    return True, f"grant {first['grant']}, until {_time(first['expires'])}, left {left}"


def _any(name: str, patterns: Sequence[str]) -> bool:
    starts = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    ends = tuple(pattern[1:] for pattern in patterns if pattern.startswith("*."))
    return name in patterns or name.startswith(starts) or name.endswith(ends)


def reversible(warrant: dict[str, Any], now: int) -> tuple[bool, str]:
    """How, and until when. `now`: microseconds since the epoch."""
    undo, state, level = warrant["undo"], warrant["state"], warrant["undo"].get("level")
    how = f"{level}, by {undo.get('strategy')}, guard {undo.get('guard')}"
    verdicts = [one.get("verdict", "forgotten") for one in warrant["undone"]]
    if back := [verdict for verdict in verdicts if verdict in ("restored", "compensated")]:
        return True, f"it was taken back: {back[-1]}"
    looked = state in NOTHING or (state in ("failed", "rejected") and level in LEVELS)
    if looked or warrant["effect"] == "read" or warrant["sent_at"] is None:
        what = " record; compensable" if how.startswith("compensable, by snapshot") else "thing"
        return True, f"it changed no{what}: {warrant['effect']}, {state}"
    if state in OPEN:
        return False, f"what came of it is not known: {state}"
    if "forgotten" in verdicts or level not in LEVELS:
        return False, f"level {level}{', and forgotten' * ('forgotten' in verdicts)}"
    if (until := undo.get("until")) is not None and until <= now:
        return False, f"it could be taken back until {_time(until)}"
    return True, f"{how}, until {_time(until)}" if until else how


def _time(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1e6))


def main(arguments: Sequence[str]) -> int:
    """The command. Returns the exit status."""
    asked = argparse.ArgumentParser("verify", description="Check evidence offline.")
    asked.add_argument("--key", required=True, help="the checkpoint key, as its owner published it")
    asked.add_argument("--policy", action="append", default=[], help="a policy version to believe")
    asked.add_argument("--since", help="an older checkpoint; FILE is from `evidence extends`")
    asked.add_argument("--since-key", help="the key that signed it, if it was another")
    asked.add_argument("files", nargs="+")
    options, status = asked.parse_args(arguments), 0
    for file in options.files:
        try:
            said, found = _said(Path(file).read_bytes(), options)
        except Exception as error:  # whatever cannot be read is no evidence
            said = "cannot be read" if isinstance(error, OSError) else "NOT SOUND"
            said, found, status = f"{said}: {str(error)!a}", {}, 2
        sys.stdout.write(f"{file}: {said}\n")
        for name, (holds, why) in found.items():
            sys.stdout.write(f"  {name:<10}  {'yes' if holds else 'NO '}  {why!a}\n")
            status = status if holds else max(status, 1)
    return status


def _said(file: bytes, options: Any) -> tuple[str, dict[str, tuple[bool, Any]]]:
    doc = json.loads(file, object_pairs_hook=lambda m: dict(m) if len(dict(m)) == len(m) else {})
    if options.since and "consistency" not in doc:
        raise Unsound("--since is for what `bulkhead evidence extends` gives")
    key, then = Key.parse(options.key), Key.parse(options.since_key or options.key)
    log = open_note(doc["checkpoint"], key)
    if options.since:
        old = open_note(Path(options.since).read_text("utf-8"), then)
        check_consistency(old, log, [_raw(step) for step in doc["consistency"]])
        return f"sound, {old.size} lines of then, {log.size} now", {}
    if doc.get("events") and not ("warrant" in doc or options.policy):
        lines = {f"line {e['index'] + 1}": (True, _proven(e, log)) for e in doc["events"]}
        return f"sound, {len(lines)} of {log.size} lines", lines
    warrant, now = check(doc, key), time.time_ns() // 1000
    held = {"authorised": authorised(warrant, options.policy), "bounded": bounded(warrant)}
    return f"sound, call {warrant['call']!a}", held | {"reversible": reversible(warrant, now)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
