"""The two patterns a rule may hold: for names (exact, `prefix*`, `a|b`) and for hosts (exact, `*.suffix`, `a|b`).

No regular expressions, no case folding, no path variables: what a reader sees is what matches. Both
know `covers`, for the lint. They know no file and no rule.
"""

from __future__ import annotations

from functools import lru_cache

from gateway.config.destinations import host_of
from gateway.values import Value

ANY = "*"


class Names(Value):
    """A set of names: some exactly, some by prefix. `*` is the empty prefix."""

    exact: frozenset[str]
    prefixes: tuple[str, ...]

    def matches(self, name: str) -> bool:
        return name in self.exact or name.startswith(self.prefixes)

    def covers(self, other: Names) -> bool:
        """True if every name the other matches is matched here (by one alternative at a time)."""
        return all(self.matches(name) for name in other.exact) and all(
            prefix.startswith(self.prefixes) for prefix in other.prefixes
        )

    def meets(self, other: Names) -> bool:
        """True if some name is matched by both."""
        return (
            any(other.matches(name) for name in self.exact)
            or any(self.matches(name) for name in other.exact)
            or any(
                a.startswith(b) or b.startswith(a) for a in self.prefixes for b in other.prefixes
            )
        )


@lru_cache(maxsize=65_536)
def names(text: str) -> Names:
    """The pattern in `text`. Raises `ValueError` with the reason in plain words."""
    exact, prefixes = set(), []
    for part in text.split("|"):
        if not part or part != part.strip() or not part.isprintable():
            raise ValueError(f"{text!r} has an empty, padded or unprintable alternative")
        if "*" in part[:-1]:
            raise ValueError(f"{part!r}: a * may stand only at the end")
        if part.endswith("*"):
            prefixes.append(part[:-1])
        else:
            exact.add(part)
    return Names(frozenset(exact), tuple(prefixes))


class Hosts(Value):
    """A set of destinations: any, some exactly, some by domain (`*.example.com`: below it, not itself)."""

    any: bool
    exact: frozenset[str]
    suffixes: tuple[str, ...]

    def matches(self, host: str) -> bool:
        return self.any or host in self.exact or host.endswith(self.suffixes)

    def covers(self, other: Hosts) -> bool:
        """True if every destination the other matches is matched here."""
        if other.any:
            return self.any
        return all(self.matches(host) for host in other.exact) and all(
            self.any or suffix.endswith(self.suffixes) for suffix in other.suffixes
        )

    def witnesses(self, fresh: str) -> tuple[str, ...]:
        """Hosts that stand for all others here, if `fresh` is a label no rule names: one per alternative."""
        found = [*sorted(self.exact), *(f"{fresh}{suffix}" for suffix in self.suffixes)]
        return tuple([*found, f"{fresh}.invalid"] if self.any else found)


@lru_cache(maxsize=65_536)
def hosts(text: str) -> Hosts:
    """The pattern in `text`. Raises `ValueError` with the reason in plain words."""
    exact, suffixes = set(), []
    if text == ANY:
        return Hosts(True, frozenset(), ())
    for part in text.split("|"):
        name = part.removeprefix("*.")
        if not name or "*" in name or name != name.lower() or not name.isascii():
            raise ValueError(f"{part!r} is not a host, *.domain or *: lower case ASCII, no other *")
        if host_of(name) != name:
            # No call leads anywhere that is called so: a deny of it would deny nothing.
            raise ValueError(f"{part!r} is not a host in its plain form: without a port")
        if part.startswith("*."):
            suffixes.append(part[1:])
        else:
            exact.add(part)
    return Hosts(False, frozenset(exact), tuple(suffixes))
