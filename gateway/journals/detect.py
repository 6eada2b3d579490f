"""Well-known shapes of secrets, found anywhere in a text. Linear time (RE2), so no text can make it slow.

A hit may be wrong; that only hides a harmless value. A miss keeps a secret, so the shapes are wide.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import re2

SHAPES: Final[dict[str, str]] = {
    "aws-access-key": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    "aws-secret-key": r"(?i)aws_?(?:secret|session)_?\w*['\"]?\s*[=:]\s*['\"]?[A-Za-z0-9/+=]{40,}",
    "github-token": r"\b(?:gh[pousr]_[A-Za-z0-9_.\-]{30,}|github_pat_[A-Za-z0-9_]{22,})",
    "gitlab-token": r"\bgl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_\-]{16,}",
    "slack-token": r"\bxox[a-z](?:\.xox[a-z])?-[A-Za-z0-9\-]{10,}|\bxapp-[A-Za-z0-9\-]{10,}",
    "webhook": r"https://hooks\.slack\.com/\S{20,}|https://discord(?:app)?\.com/api/webhooks/\S{20,}",
    "jwt": r"(?:\b|_)eyJ[A-Za-z0-9_\-]{8,}\.(?:[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*|\.[A-Za-z0-9_\-]{8,}\.)",
    "private-key": r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY|\z)"
    r"|\bAGE-SECRET-KEY-1[A-Z0-9]*|(?s:PuTTY-User-Key-File.*)",
    "bearer": r"(?i)\bbearer\s+[A-Za-z0-9._~+/=\-]{12,}",
    "basic-auth": r"(?i)\bauthorization['\"]?\s*[:=]\s*['\"]?[a-z]+\s+[A-Za-z0-9+/=]{8,}"
    r"|\bcurl\s[^\n]*(?:-u|--user)[ =]['\"]?[^\s:'\"]+:[^\s'\"]+",
    "cookie": r"(?i)\bcookie['\"]?\s*:\s*['\"]?[^\s=;:'\"]+=[^\s;'\"]{8,}",
    "sk-key": r"\bsk-[A-Za-z0-9_\-]{16,}",
    "stripe-key": r"\b(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}",
    "google-key": r"\bAIza[A-Za-z0-9_\-]{35}|\bya29\.[A-Za-z0-9_\-]{20,}|\bGOCSPX-[A-Za-z0-9_\-]{20,}",
    "azure-key": r"(?i)\b(?:AccountKey|SharedAccessKey|sig)=[A-Za-z0-9%/+]{32,}"
    r"|(?-i:[A-Za-z0-9_~.\-]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,})",
    "package-token": r"\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_\-]{30,}|\bhf_[A-Za-z0-9]{30,}",
    "mail-key": r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}|\bkey-[0-9a-f]{32}\b",
    "twilio-key": r"\b(?:SK|AC)[0-9a-f]{32}\b",
    "telegram-token": r"\b[0-9]{8,10}:AA[A-Za-z0-9_\-]{32,}",
    "vendor-token": r"\b(?:dop_v1_|doo_v1_|dapi|shp[a-z]{2}_|hv[sbr]\.|lin_api_|ntn_|glsa_|glc_eyJ|dckr_[po]at_"
    r"|gsk_|xai-|pplx-|nvapi-|lsv2_[ps][tk]_|tvly-|AQ\.A|AT[AC]TT3|figd_|sntry[su]_|sq0[a-z]{3}-|dp\.[a-z]+\."
    r"|[A-Za-z0-9]{14}\.atlasv1\.)[A-Za-z0-9_\-]{20,}"
    r"|\br8_[A-Za-z0-9]{37}|\bsbp_[0-9a-f]{40}|\bNRAK-[A-Z0-9]{27}|\bsecret_[A-Za-z0-9]{43}"
    r"|\b[MNO][A-Za-z0-9_\-]{23,27}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,}",
    "url-password": r"(?i)\b[a-z][a-z0-9+.\-]*://[^/\s:@?#]*:[^/\s@]+@"
    r"|[?&](?:token|secret|auth|(?:x-amz-|x-goog-)?signature|x-amz-security-token)=[^\s&#'\"]{8,}",
    "password": r"(?i)(?:password|passwd|passphrase|pwd|client[_-]?secret|api[_-]?key|secret[_-]?key|(?-i:[A-Z]_PASS)"
    r"|(?:access|auth|refresh|private)[_-]?token)\\*['\"]?\s*[=:]\s*\\*['\"]?[^\s'\"&;,]{4,}"
    r"|\b(?:identified\s+by|password)\s+'[^'\n]{4,}'",
}
"""Name -> shape. The name is what an operator sees in place of a secret in a detail line."""

SECRET_NAMES: Final = frozenset(
    {
        "accesskey",
        "accesstoken",
        "apikey",
        "apitoken",
        "authorization",
        "authtoken",
        "bearertoken",
        "clientsecret",
        "cookie",
        "credential",
        "credentials",
        "idtoken",
        "passphrase",
        "pass",
        "passwd",
        "password",
        "privatekey",
        "privatetoken",
        "pwd",
        "refreshtoken",
        "secret",
        "secretaccesskey",
        "secretkey",
        "sessiontoken",
        "token",
    }
)
"""Names of members whose text is taken for a secret whatever it looks like, letters and digits only."""
_ENDS: Final = tuple(SECRET_NAMES - {"pass", "token"})
"""Also of a longer name (`db_password`, `X-API-Key`); but not of `next_page_token` and `bypass`."""

# Over bytes: RE2 then needs no valid UTF-8, and none of the shapes is anything but ASCII.
_ANY: Final = re2.compile("|".join(f"(?:{shape})" for shape in SHAPES.values()).encode())
_WHICH: Final = re2.Set.SearchSet()
"""The same, told without where: a search makes an object of each match."""
_WHICH.Add("|".join(f"(?:{shape})" for shape in SHAPES.values()).encode())
_WHICH.Compile()
_EACH: Final = {name: re2.compile(shape.encode()) for name, shape in SHAPES.items()}


def holds_secret(text: str) -> bool:
    """True when a known shape stands anywhere in the text."""
    return shows_secret(text.encode("utf-8", "replace"))


def shows_secret(raw: bytes) -> bool:
    """The same. Where JSON has nothing to escape, what no shape stands in holds no text with one: quotes bound a text
    as its own ends do."""
    return _WHICH.Match(raw) is not None


def is_secret_name(name: str) -> bool:
    """True for `api_key`, `Api-Key`, `openaiApiKey`: a member whose value is a secret by its name."""
    return len(name) <= 64 and _is_secret_name(name)


@lru_cache(4_096)
def _is_secret_name(name: str) -> bool:
    plain = "".join(filter(str.isalnum, name)).lower()
    return plain in SECRET_NAMES or plain.endswith(_ENDS)


def without_secrets(text: str) -> str:
    """The text with every known shape replaced by its name in brackets."""
    return _short_without(text) if len(text) <= 64 else _without(text)


def _without(text: str) -> str:
    raw = text.encode("utf-8", "replace")
    if _ANY.search(raw) is None:
        return text
    for name, shape in _EACH.items():
        raw = shape.sub(f"[{name}]".encode(), raw)
    return bytes(raw).decode("utf-8", "replace")


_short_without = lru_cache(4_096)(_without)
"""Names of tools come again and again."""
