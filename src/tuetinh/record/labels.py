"""Sensitivity labels of a resource: what of it only some may see, whatever else they may.

A resource is labelled by a security label in its `meta` (HL7 v3 ActCode, information sensitivity), or by a code that it
holds, as modules register closed lists of them. A label is a bit of the column `labels`, which the row policies read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
BITS: Final = {"HIV": 1, "PSY": 2, "ETH": 4, "STD": 8, "SDV": 16, "SEX": 32, "GDIS": 64, "R": 128, "V": 256}
"""Labels and their bits. ETH is substance abuse, methadone among it; SDV sexual and domestic violence; R and V are the
confidentiality codes "restricted" and "very restricted"."""
_CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


@dataclass(frozen=True, slots=True)
class Rule:
    """Every coding of the system whose code begins with one of these has the label."""

    label: str
    system: str
    prefixes: tuple[str, ...]


_rules: list[Rule] = []


def register(rules: Iterable[Rule]) -> None:
    """Label by these codes from now on; resources that are stored keep what they have. Registering twice is once."""
    _rules.extend(rule for rule in rules if rule not in _rules)
    _hint.cache_clear()


def of(body: bytes) -> int:
    """The labels of a resource, given as JSON."""
    if _hint().search(body) is None:
        return 0
    return _bits(json.loads(body))


@cache
def _hint() -> re.Pattern[bytes]:
    """Finds in JSON what may be a label; quick, for it looks at everything that is written."""
    prefixes = sorted({re.escape(prefix) for rule in _rules for prefix in rule.prefixes})
    codes = rf'"code":"(?:{"|".join(prefixes)})|' if prefixes else ""
    return re.compile(rf'{codes}"security":\['.encode())


def _bits(resource: Any) -> int:
    found = 0
    meta = resource.get("meta") or {}
    for coding in meta.get("security") or ():
        if isinstance(coding, dict) and coding.get("system") in (ACT_CODE, _CONFIDENTIALITY):
            found |= BITS.get(str(coding.get("code")), 0)
    for system, code in _codings(resource):
        for rule in _rules:
            if system == rule.system and code.startswith(rule.prefixes):
                found |= BITS[rule.label]
    return found


def _codings(value: Any) -> Iterator[tuple[str, str]]:
    """System and code of every coding in a resource."""
    if isinstance(value, list):
        for one in value:
            yield from _codings(one)
    elif isinstance(value, dict):
        if isinstance(value.get("code"), str) and isinstance(value.get("system"), str):
            yield value["system"], value["code"]
        for one in value.values():
            if isinstance(one, (dict, list)):
                yield from _codings(one)
