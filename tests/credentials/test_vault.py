"""What a Vault answers that cannot be used."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from gateway.config.clients import Secret
from gateway.config.credential_settings import Vault
from gateway.core.credential import our_own
from gateway.core.model import Tier
from gateway.credential_ports import NoCredential, Wanted
from gateway.credentials.vault import VaultSecrets
from tests.credentials.vaults import TOKEN, vault


@pytest.mark.parametrize("ids", ["half-a-character-\ud800-{}", "two\nlines-{}"])
async def test_a_lease_whose_name_cannot_be_written_down_is_refused(
    tmp_path: Path, ids: str
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with anyio.fail_after(30), vault() as kept:
        kept.ids = ids
        settings = Vault(
            provider="vault",
            address=kept.address,
            token=Secret(file="token"),
            path="database/creds/reader",
        )
        provider = VaultSecrets(settings, tmp_path)
        with pytest.raises(NoCredential, match="cannot be written down") as no:
            await provider.issue(Wanted("l1", our_own("local", Tier.DATA), 60, ""))
        await provider.aclose()
    assert not no.value.nothing  # it may have made something
