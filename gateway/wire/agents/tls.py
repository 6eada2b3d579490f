"""TLS on the listener: the gateway's certificate, and which authorities a client's may come from.

TLS 1.3 only, and no session is ever resumed: each connection shows its certificate anew and has it checked
against the authorities of that moment. Files that change are taken up for the next connection; a broken one
changes nothing. A client without a certificate gets in: a token can say who it is.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable
from pathlib import Path

from gateway.config.yamlfile import MAX_BYTES, bytes_of
from gateway.errors import Misconfigured, Where
from gateway.files import following
from gateway.settings import Settings
from gateway.values import Value

log = logging.getLogger("bulkhead.wire")


class Files(Value):
    """PEM. `authorities`: None where no client certificate is asked for."""

    certificate: Path
    key: Path
    authorities: Path | None

    @classmethod
    def of(cls, settings: Settings) -> Files | None:
        """From bulkhead.yaml; None where it serves plain HTTP."""
        if settings.tls is None:
            return None
        home = Path(settings.home)
        bundles = [one.keys.file for one in settings.issuers.values() if one.kind == "mtls"]
        authorities = next((home / file for file in bundles if file), None)
        return cls(home / settings.tls.certificate, home / settings.tls.key, authorities)

    def all(self) -> Iterable[Path]:
        """Those there are."""
        return [each for each in (self.certificate, self.key, self.authorities) if each]


class Tls:
    """What the listener uses, and its renewal."""

    def __init__(self, files: Files) -> None:
        """Raises `Misconfigured`."""
        self._files = files
        self._now = _context(files)
        self.context = _context(files)
        """For the listener's life; each connection is handed to what holds at that moment."""
        self.context.sni_callback = self._hand_over

    async def keep(self) -> None:
        """Looks at the files until cancelled."""

        async def take() -> None:
            self._now = _context(self._files)

        def not_taken(why: str) -> None:
            log.error("certificates not taken, the earlier ones stay in force: %s", why)

        await following.follow(self._files.all, take, not_taken)

    def _hand_over(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """OpenSSL calls it at the start of every handshake, also where the client names no server."""
        connection.context = self._now


def check(settings: Settings) -> None:
    """Before anything is started. Raises `Misconfigured`."""
    files = Files.of(settings)
    if files is not None:
        _context(files)


def _context(files: Files) -> ssl.SSLContext:
    for each in files.all():
        bytes_of(each, MAX_BYTES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (OSError, ValueError) as error:
        why = f"cannot be used with {files.key}: {error}"
        raise Misconfigured(why, Where(str(files.certificate))) from None
    if files.authorities is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        try:
            context.load_verify_locations(cafile=files.authorities)
        except OSError as error:
            raise Misconfigured(f"no authorities: {error}", Where(str(files.authorities))) from None
    return context


def _no_password() -> str:
    """Without it, OpenSSL would ask on the terminal."""
    raise ValueError("the key has a password")
