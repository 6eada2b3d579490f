"""The state an agent is given for a call that waits for its answers: sealed, bound to it, and ours alone.

A state begins with a mark of ours, so that a tool server's own `requestState` is never taken for one.
Gateway processes with one state directory have one key: a state that was tampered with and one that
belongs to another process can be told apart. Pure, but for a nonce; the clock is passed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.model import JsonObject
from gateway.ports import Outbound
from gateway.values import Value, as_plain
from gateway.wire import strict_json

MARK: Final = "bulkhead.parked."
MAX_STATE: Final = 2048
"""Characters; ours are shorter."""
_NONCE: Final = 12
"""Bytes; random, as AES-GCM wants them."""
_OF_THE_ANSWER: Final = frozenset({"_meta", "inputResponses", "requestState"})
"""Params in which a retry may differ from the request it goes on with."""


class Claim(Value):
    """What a state says."""

    gateway: str
    """The gateway process the call waits in."""
    call: str
    owner: str
    request: str
    """Digest of the server, the method and the params."""
    expires: float
    """Seconds since the epoch."""


class Seal:
    """Makes and reads states. Two with the same key read each other's."""

    def __init__(self, key: str | None = None) -> None:
        """`key`: at least 32 characters of secret; without one, no other process reads these states."""
        secret = key.encode() if key else os.urandom(32)
        self._cipher = AESGCM(hashlib.sha256(secret).digest())
        self.gateway = secrets.token_urlsafe(9)
        """This process."""

    def state(self, claim: Claim) -> str:
        """The claim as an agent may carry it."""
        nonce = os.urandom(_NONCE)
        said = strict_json.dumps(as_plain(claim))
        return MARK + _written(nonce + self._cipher.encrypt(nonce, said, MARK.encode()))

    def claim(self, state: str) -> Claim:
        """What a state of ours says. Raises `ValueError` for anything not sealed with this key."""
        if not is_ours(state) or len(state) > MAX_STATE:
            raise ValueError("not a state of this gateway")
        raw = _read(state.removeprefix(MARK))
        try:
            said = self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], MARK.encode())
        except InvalidTag:
            raise ValueError("not sealed by this gateway") from None
        return Claim(**strict_json.parse(said, max_bytes=MAX_STATE, max_depth=2))


def is_ours(state: object) -> bool:
    """Whether a `requestState` claims to be of a gateway's making."""
    return isinstance(state, str) and state.startswith(MARK)


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _read(text: str) -> bytes:
    """Raises `ValueError` for what is not `_written`, to the letter: base64 has many spellings of the same bytes."""
    try:
        raw = base64.urlsafe_b64decode(text.encode())
    except binascii.Error:
        raw = b""
    if len(raw) <= _NONCE or _written(raw) != text:
        raise ValueError("a malformed state")
    return raw


def owner(principal: str) -> str:
    """A principal as a claim names it."""
    return _digest(principal)


def request(server: str, message: Outbound) -> str:
    """What a retry must have in common with the request it goes on with."""
    params = {k: v for k, v in message.params.items() if k not in _OF_THE_ANSWER}
    return _digest([server, message.method, _sorted(params)])


def _sorted(value: object) -> object:
    """Members in one order, so that a client may write them in another."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _digest(value: JsonObject | list[object] | str) -> str:
    return hashlib.sha256(strict_json.dumps(value)).hexdigest()[:32]
