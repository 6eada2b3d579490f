from __future__ import annotations

import pytest

from gateway.config.destinations import host_of


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://API.Example.com/x?y#z", "api.example.com"),
        ("https://example.com.", "example.com"),
        ("http://example.com:8080/", "example.com"),
        ("wss://a-b.example", "a-b.example"),
        ("example.com", "example.com"),
        ("localhost:3000", "localhost"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://[2001:DB8::0:1]:80/", "[2001:db8::1]"),
        ("http://[0::1]/", "[::1]"),
        ("http://[::]/", "[::]"),
        ("https://good.example/?u=http://evil.example", "good.example"),
        ("https://evil.example#@good.example", "evil.example"),
    ],
)
def test_a_plain_url_has_one_host(text: str, host: str) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "https:evil.example",
        "https:/evil.example",
        "https:///evil.example",
        "//evil.example",
        "https://good.example@evil.example",
        "https://evil.example\\@good.example",
        "https:\\\\evil.example",
        "https://good.example\\.evil.example",
        "https://good.example/a b",
        "https://good.example/\u00fc",
        "https://" + ".".join(["a" * 60] * 4) + ".too.long.a",
        "https://good.example\t.evil.example",
        "https://evil.example\n",
        " https://evil.example",
        "https://evil%2eexample",
        "https://\u2460.example",
        "https://evil\u3002example",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://1.2.3.4.5/",
        "http://[::1",
        "http://[fe80::1%eth0]/",
        "http://[::1].evil.example/",
        "http://[::1]evil.example:80/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[::169.254.169.254]/",
        "http://[::ffff:0:169.254.169.254]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[64:ff9b:1::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://a..b/",
        "http://-a.b/",
        "http://a.b:0/",
        "http://a.b:99999/",
        "http://a.b:x/",
        "javascript:alert(1)",
        "evil.example://good.example/",
        "evil.example/path",
        "mailto:a@b.example",
        "file:///etc/passwd",
    ],
)
def test_what_two_readers_could_take_differently_has_no_host(text: str) -> None:
    assert host_of(text) is None
