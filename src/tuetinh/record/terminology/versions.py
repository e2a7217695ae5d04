"""Versions of code systems and value sets: which one is meant, which one is newest."""

from __future__ import annotations

from collections.abc import Iterable

_WILD = frozenset("xX*")


def has_wildcards(wanted: str) -> bool:
    """Whether the version is a pattern such as `1.0.x`."""
    return any(part in _WILD for part in wanted.split("."))


def matches(wanted: str, version: str) -> bool:
    """Whether a version is the wanted one: equal, or by the pattern `1.x.x` part for part."""
    if wanted == version:
        return True
    parts, own = wanted.split("."), version.split(".")
    if not has_wildcards(wanted) or len(parts) > len(own):
        return False
    if len(parts) < len(own) and parts[-1] not in _WILD:
        return False
    return all(part in _WILD or part == mine for part, mine in zip(parts, own, strict=False))


def newest(versions: Iterable[str]) -> str:
    """The highest version, numbers compared as numbers; ValueError when there is none."""
    return max(versions, key=_rank)


def best(wanted: str, versions: Iterable[str]) -> str | None:
    """The newest version that is wanted; any will do when nothing is wanted."""
    found = [version for version in versions if not wanted or matches(wanted, version)]
    return newest(found) if found else None


def split(canonical: str) -> tuple[str, str]:
    """A canonical reference as URL and version (empty when it names none)."""
    url, _, version = canonical.partition("|")
    return url, version


def join(url: str, version: str) -> str:
    """The canonical reference `url|version`, or the URL alone."""
    return f"{url}|{version}" if version else url


def _rank(version: str) -> list[tuple[int, int, str]]:
    release, _, label = version.partition("-")
    if version[:4].isdigit() and version[4:5] == "-":  # a date
        release, label = version.replace("-", "."), ""
    parts = [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in release.split(".")]
    # A release comes after its own candidates (semver 11).
    return [*parts, (0, 0, label)] if label else [*parts, (1, -1, "")]
