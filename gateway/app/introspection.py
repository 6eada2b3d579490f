"""Wires the issuers that are asked about their tokens: where, as whom, and what is kept of what they say."""

from __future__ import annotations

import ssl
import time
from functools import partial
from pathlib import Path

from gateway.config.issuers import IssuerSettings
from gateway.credential_ports import NoCredential
from gateway.credentials.client import Client
from gateway.errors import Misconfigured
from gateway.identity.answers import Answers
from gateway.identity.introspection import Introspection
from gateway.settings import Settings
from gateway.values import Value


class Asked(Value):
    """One issuer that is asked."""

    answers: Answers
    endpoint: Introspection


def open_asked(issuer: IssuerSettings, settings: Settings, tls: ssl.SSLContext) -> Asked:
    """Asks nothing yet. Raises `Misconfigured`: a secret that is not there."""
    wanted = issuer.introspection
    assert wanted is not None
    proof = partial(Client(wanted, Path(settings.home)).proof, issuer.name)
    try:
        proof()
    except NoCredential as error:
        raise Misconfigured(f"introspection: {error}", issuer.where) from None
    endpoint = Introspection(wanted.url, tls, proof)
    answers = Answers(issuer.name, endpoint.ask, wanted.seconds, time.monotonic, time.time)
    return Asked(answers, endpoint)
