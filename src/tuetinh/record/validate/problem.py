"""What validation says."""

from __future__ import annotations

from typing import Any

import msgspec

# A path while walking: None at the root, else (path of the parent, element name, index or None). Text only when needed.
Path = tuple[Any, str, int | None]


class Problem(msgspec.Struct, frozen=True):
    """One fault: severity (`error`, `warning`), IssueType code, FHIRPath-like place, message in English."""

    severity: str
    code: str
    path: str
    message: str


def render(path: Path | None) -> str:
    """`Patient.name[1].given[0]` of a linked path."""
    parts: list[str] = []
    while path is not None:
        path, name, index = path
        parts.append(name if index is None else f"{name}[{index}]")
    return ".".join(reversed(parts))
