"""TerminologyCapabilities (GET metadata?mode=terminology): the code systems, and the parameters that are understood."""

from __future__ import annotations

from importlib.metadata import version
from itertools import groupby
from typing import Any

from tuetinh.record.terminology.library import Library

PUBLISHED = "2026-11-21"
_PARAMETERS = (
    "activeOnly",
    "check-system-version",
    "count",
    "default-valueset-version",
    "designation",
    "displayLanguage",
    "exclude-system",
    "excludeNested",
    "excludeNotForUI",
    "filter",
    "force-system-version",
    "includeDefinition",
    "includeDesignations",
    "limit",
    "offset",
    "property",
    "system-version",
    "tx-resource",
    "useSupplement",
)


def _systems(library: Library) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for url, group in groupby(library.systems(), key=lambda row: row[0]):
        known = [{"code": own} for _, own in group if own]
        rows.append({"uri": url} | ({"version": known} if known else {}))
    return rows


def statement(library: Library, base: str) -> dict[str, Any]:
    """The statement for clients that see the service at `base`."""
    software = version("tuetinh")
    return {
        "resourceType": "TerminologyCapabilities",
        "url": f"{base}/metadata?mode=terminology",
        "version": software,
        "name": "TueTinh",
        "title": "Tuệ Tĩnh",
        "status": "active",
        "date": PUBLISHED,
        "kind": "instance",
        "software": {"name": "Tuệ Tĩnh", "version": software},
        "implementation": {"description": "Tuệ Tĩnh FHIR R4", "url": base},
        "lockedDate": False,
        "codeSystem": _systems(library),
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name} for name in _PARAMETERS],
            "textFilter": "Every word must occur in the code or in one of the names, whatever its case and accents.",
        },
        "codeSearch": "all",
        "validateCode": {"translations": True},
        "translation": {"needsMap": False},
        "closure": {"translation": False},
    }
