"""One resource without what tells whose it is: only elements of the table (`data/deidentify.json`) are left.

Everything that the table does not name is removed: identifiers, names, contacts, narrative, free text, extensions,
contained resources, attachments. Codes keep system and code, not their display, which people may have typed.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from tuetinh.commons.identity.api import administrative_units

Rule = str | dict[str, Any]
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Personal (CCCD, CMND), insurance and telephone numbers, where a code should be.
_OF_SOMEBODY: Final = re.compile(r"(?:\+?84|0)?\d{9,12}|[A-Za-z]{2}\d{13}")
_SNOMED: Final = "http://snomed.info/sct"
_NUMERIC: Final = re.compile(r"[1-9]\d{5,17}")  # SNOMED CT identifiers, which never begin with 0
_SYSTEM: Final = re.compile(r"(?:https?://|urn:)[\w./:#-]{1,200}")
_BETWEEN: Final = re.compile("[ ._-]")
_REFERENCE: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_DAY: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(T.*)?)?)?")
ORGANIZATION: Final = "Organization"


class Table(msgspec.Struct, frozen=True):
    """What is left of each type. k: the smallest group; shift_days: the largest shift; oldest: age told exactly."""

    k: int
    shift_days: int
    oldest: int
    elements: dict[str, dict[str, Rule]]


@cache
def table() -> Table:
    """The table of the package."""
    path = Path(__file__).parents[1] / "data" / "deidentify.json"
    return msgspec.json.decode(path.read_bytes(), type=Table)


@dataclass(frozen=True, slots=True)
class Quasi:
    """What together may tell who somebody is: sex, year of birth (as shifted), codes of commune and province."""

    gender: str
    year: int | None
    commune: str
    province: str


@dataclass(frozen=True, slots=True)
class Secret:
    """The key of one export, by which pseudonyms and shifts are made; without it neither can be made again."""

    key: bytes
    shift_days: int

    def pseudonym(self, reference: str) -> str:
        """The id in the place of `Type/id`: the same throughout the export, another one in the next."""
        return hmac.new(self.key, reference.encode(), sha256).hexdigest()[:32]

    def shift(self, patient: str) -> timedelta:
        """By how many days all dates of a patient are moved, never by none."""
        number = int.from_bytes(hmac.new(self.key, f"shift/{patient}".encode(), sha256).digest()[:8], "big")
        days = number % (2 * self.shift_days) - self.shift_days
        return timedelta(days=days if days < 0 else days + 1)


def patient_of(resource: dict[str, Any]) -> str:
    """Whose a resource is, "" where it names nobody."""
    if resource.get("resourceType") == "Patient":
        return str(resource.get("id", ""))
    reference = (resource.get("subject") or resource.get("patient") or {}).get("reference") or ""
    return reference.removeprefix("Patient/") if reference.startswith("Patient/") else ""


def deidentified(resource: dict[str, Any], secret: Secret) -> dict[str, Any]:
    """What is left of a resource. Raises KeyError for a type that the table does not name."""
    type_ = resource["resourceType"]
    work = _Work(secret, secret.shift(patient_of(resource)))
    kept = work.object(resource, table().elements[type_])
    return {"resourceType": type_, "id": secret.pseudonym(f"{type_}/{resource['id']}"), **kept}


def quasi(patient: dict[str, Any], secret: Secret, today: date) -> Quasi:
    """The quasi-identifiers of a Patient, the dates shifted; whoever is older than the table tells is of one age."""
    known = deidentified(patient, secret)
    year = int(known["birthDate"][:4]) if known.get("birthDate") else None
    if year is not None and today.year - year > table().oldest:
        year = today.year - table().oldest - 1
    units: dict[str, str] = (known.get("address") or [{}])[0]
    return Quasi(known.get("gender", ""), year, units.get("city", ""), units.get("state", ""))


@dataclass(frozen=True, slots=True)
class _Work:
    """One resource at work. shift: of its patient."""

    secret: Secret
    shift: timedelta

    def object(self, value: dict[str, Any], rules: dict[str, Rule]) -> dict[str, Any]:
        made = {name: self.element(value[name], rule) for name, rule in rules.items() if name in value}
        return {name: part for name, part in made.items() if part not in (None, [], {})}

    def element(self, value: Any, rule: Rule) -> Any:
        """What is left of an element, None for nothing; of a list what is left of each."""
        if isinstance(value, list):
            return [part for one in value if (part := self.element(one, rule)) not in (None, [], {})]
        if isinstance(rule, dict):
            return self.object(value, rule) if isinstance(value, dict) else None
        return _RULES[rule](self, value)

    def code(self, value: Any) -> str | None:
        """A code, unless it is one that a person has."""
        known = isinstance(value, str) and _CODE.fullmatch(value)
        return value if known and not _OF_SOMEBODY.fullmatch(_BETWEEN.sub("", value)) else None

    def boolean(self, value: Any) -> bool | None:
        return value if isinstance(value, bool) else None

    def number(self, value: Any) -> Decimal | int | None:
        return value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None

    def coding(self, value: Any) -> dict[str, str] | None:
        """System and code; a code alone, or one that is no code, is free text."""
        system, code = value.get("system"), value.get("code")
        is_number = system == _SNOMED and isinstance(code, str) and _NUMERIC.fullmatch(code)
        known = isinstance(system, str) and _SYSTEM.fullmatch(system) and (is_number or self.code(code))
        return {"system": system, "code": code} if known else None

    def coded(self, value: Any) -> dict[str, Any] | None:
        codings = [coding for one in value.get("coding") or [] if (coding := self.coding(one))]
        return {"coding": codings} if codings else None

    def quantity(self, value: Any) -> dict[str, Any] | None:
        """Value, comparator and coded unit."""
        made = {
            "value": self.number(value.get("value")),
            "comparator": value.get("comparator"),
            **(self.coding(value) or {}),
        }
        return {name: part for name, part in made.items() if part is not None} if made["value"] is not None else None

    def date(self, value: Any) -> str | None:
        """A date or moment, moved; of one that is a month or a year only the year is told."""
        found = _DAY.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return None
        year, month, day, rest = found.groups()
        try:
            moved = date(int(year), int(month or 7), int(day or 1)) + self.shift
        except (ValueError, OverflowError):
            return None
        return f"{moved.isoformat()}{rest or ''}" if day else f"{moved.year:04}"

    def birth(self, value: Any) -> str | None:
        """The year alone."""
        moved = self.date(value)
        return moved[:4] if moved else None

    def period(self, value: Any) -> dict[str, str] | None:
        made = {name: moved for name in ("start", "end") if (moved := self.date(value.get(name)))}
        return made or None

    def reference(self, value: Any) -> dict[str, str] | None:
        """The pseudonym of what is exported too, or of a facility."""
        found = _REFERENCE.fullmatch(value.get("reference") or "")
        if found is None or not (found[1] in table().elements or found[1] == ORGANIZATION):
            return None
        return {"reference": f"{found[1]}/{self.secret.pseudonym(found[0])}"}

    def place(self, value: Any) -> dict[str, str] | None:
        """Codes of commune (`city`) and province (`state`); no words."""
        commune, province = administrative_units(value)
        made = {"city": commune, "state": province}
        return {name: code for name, code in made.items() if code} or None


_RULES: Final[dict[str, Callable[[_Work, Any], Any]]] = {
    name: getattr(_Work, name)
    for name in (
        "code",
        "boolean",
        "number",
        "coding",
        "coded",
        "quantity",
        "date",
        "birth",
        "period",
        "reference",
        "place",
    )
}
