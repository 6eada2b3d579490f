"""A certificate authority for tests: of a trust domain for its workloads, or for a server's name."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.identity.idp import new_key

ID = "spiffe://acme.example/agent/triage-1"
_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def use(*named: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each in named for each in _USES})


def uri(*ids: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(each) for each in ids])


def address(ip: str = "127.0.0.1") -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))])


@dataclass(frozen=True)
class Leaf:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """PEM files: chain, key."""
        chain, key = directory / f"{name}.pem", directory / f"{name}.key"
        chain.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return chain, key


@dataclass(frozen=True)
class Authority:
    """Signs what it is asked to, also what it should not."""

    name: str = "root"
    key: EllipticCurvePrivateKey = field(default_factory=new_key)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def certificate(self) -> x509.Certificate:
        own = [x509.BasicConstraints(True, None), use("key_cert_sign", "crl_sign")]
        return self._signed(self.name, self.key, [*own, uri("spiffe://acme.example")], 3650)

    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def leaf(self, *names: x509.ExtensionType, authority: bool = False, **change: Any) -> Leaf:
        """A workload's certificate, good for an hour. `hours`, `since`, `usage`: what is odd about it."""
        key = new_key()
        usage = change.get("usage", use("digital_signature"))
        own = [x509.BasicConstraints(authority, None), *([usage] if usage else []), *names]
        hours, since = change.get("hours", 1.0), change.get("since", timedelta(0))
        return Leaf(self._signed("workload", key, own, hours / 24, since), key)

    def svid(self, id: str = ID, **change: Any) -> Leaf:
        return self.leaf(uri(id), **change)

    def _signed(
        self,
        subject: str,
        key: EllipticCurvePrivateKey,
        extensions: list[Any],
        days: float,
        since: timedelta = timedelta(0),
    ) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name)])
        begin = self.now + since - timedelta(seconds=10)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=days))
        )
        # Python 3.13 believes no chain whose certificates do not name the keys.
        names = (
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
        )
        for each in names:
            builder = builder.add_extension(each, critical=False)
        for each in extensions:
            builder = builder.add_extension(
                each, critical=not isinstance(each, x509.SubjectAlternativeName)
            )
        return builder.sign(self.key, SHA256())


def client(trusted: Path, leaf: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """What an agent connects with."""
    context = ssl.create_default_context(cafile=trusted)
    if leaf is not None:
        context.load_cert_chain(*leaf)
    return context
