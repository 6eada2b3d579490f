"""`aws_sts`: temporary keys of an AWS role, for one lease (STS AssumeRole).

AWS gives them for 15 minutes at least and calls none back: the gateway lets go of them earlier, and says
until when they are good. A session policy cuts the role down. It needs the extra `aws`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from pathlib import Path
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from gateway.config.credential_settings import AwsSts
from gateway.core.model import JsonObject
from gateway.credential_ports import Minted, NoCredential, Wanted
from gateway.credentials.references import Reference

# Told to log everything, it logs what AWS answers: the keys.
logging.getLogger("botocore").setLevel(logging.INFO)

SHORTEST: Final = 900
"""Seconds: AWS gives none for less."""
_NOT_IN_TAGS: Final = re.compile(r"[^\w .:/=+@-]")


class StsRole:
    """`CredentialProvider` over one role."""

    def __init__(self, settings: AwsSts, home: Path) -> None:
        """The gateway's own keys are found as AWS clients do."""
        self._settings = settings
        self._policy = None if settings.policy is None else Reference(settings.policy, home)
        quick = Config(connect_timeout=5, read_timeout=5, retries={"max_attempts": 1})
        self._sts: Any = get_session().create_client(
            "sts",
            region_name=settings.region,
            endpoint_url=settings.endpoint_url,
            config=quick,
        )

    async def issue(self, wanted: Wanted) -> Minted:
        """See `CredentialProvider`."""
        asked = self._asked(wanted)
        try:
            answered = await asyncio.to_thread(self._sts.assume_role, **asked)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "an error")
            raise NoCredential(f"AWS said {code}", nothing=True) from None
        except BotoCoreError as error:
            raise NoCredential(f"AWS: {type(error).__name__}") from None
        given = answered["Credentials"]
        values = {
            "access_key_id": given["AccessKeyId"],
            "secret_access_key": given["SecretAccessKey"],
            "session_token": given["SessionToken"],
        }
        secret = frozenset({"secret_access_key", "session_token"})
        left = int(given["Expiration"].timestamp() - time.time())
        return Minted(values, secret, asked["RoleSessionName"], max(1, left))

    async def revoke(self, lease: str, ref: str, minted: Minted | None) -> bool:
        """See `CredentialProvider`: there is no such call."""
        return False

    async def aclose(self) -> None:
        """See `CredentialProvider`."""
        self._sts.close()

    def _asked(self, wanted: Wanted) -> dict[str, Any]:
        account, settings = wanted.account, self._settings
        tags = {"agent": account.agent, "task": account.task, "tier": account.tier.value}
        asked: JsonObject = {
            "RoleArn": settings.role_arn,
            "RoleSessionName": f"bulkhead-{wanted.lease}",
            "DurationSeconds": SHORTEST,
            "Tags": [
                {"Key": key, "Value": _NOT_IN_TAGS.sub("_", value)[:256]}
                for key, value in tags.items()
            ],
        }
        if self._policy is not None:
            asked["Policy"] = json.dumps(_policy(self._policy))
        if settings.external_id is not None:
            asked["ExternalId"] = settings.external_id
        return asked


def _policy(reference: Reference) -> Any:
    try:
        return json.loads(reference.read())
    except ValueError:
        raise NoCredential(f"{reference}: not JSON", nothing=True) from None
