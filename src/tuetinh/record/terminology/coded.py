"""The code that a request asks about, and where in the request it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuetinh.record.terminology import versions
from tuetinh.record.terminology.inquiry import Inquiry
from tuetinh.record.terminology.issues import missing

_LOOKED_FOR = "coding | codeableConcept | code+system | code+inferSystem"
NOTHING_TO_VALIDATE = f"Unable to find code to validate (looked for {_LOOKED_FOR} in parameters"


@dataclass(frozen=True)
class Coded:
    """One coding. `path` is its FHIRPath in the request: `Coding`, `CodeableConcept.coding[0]`, empty for bare code."""

    system: str
    code: str
    version: str = ""
    display: str = ""
    path: str = ""

    def at(self, element: str) -> str:
        """The expression of one of its elements."""
        return f"{self.path}.{element}" if self.path else element

    @property
    def whole(self) -> str:
        """The expression of the coding itself."""
        return self.path or "code"

    @property
    def text(self) -> str:
        """`system|version#code ('display')`, as messages name it."""
        shown = f" ('{self.display}')" if self.display else ""
        return f"{versions.join(self.system, self.version)}#{self.code}{shown}"


def codings(inquiry: Inquiry, *, system: str = "") -> tuple[list[Coded], Mapping[str, Any] | None]:
    """The codings to look at, and the CodeableConcept when it is one. TerminologyError when there is none."""
    concept = inquiry.one("codeableConcept")
    if isinstance(concept, Mapping):
        rows = concept.get("coding", ())
        return [_of(row, f"CodeableConcept.coding[{place}]") for place, row in enumerate(rows)], concept
    coding = inquiry.one("coding")
    if isinstance(coding, Mapping):
        return [_of(coding, "Coding")], None
    code = inquiry.text("code")
    if code and (system or inquiry.text("system") or inquiry.flag("inferSystem")):
        version = inquiry.text("systemVersion") or (inquiry.text("version") if system else "")
        given, own = versions.split(system or inquiry.text("system"))
        return [Coded(given, code, version or own, inquiry.text("display"))], None
    raise missing(NOTHING_TO_VALIDATE)


def _of(row: Mapping[str, Any], path: str) -> Coded:
    values = (row.get(name, "") for name in ("system", "code", "version", "display"))
    system, code, version, display = (value if isinstance(value, str) else "" for value in values)
    return Coded(system, code, version, display, path)
