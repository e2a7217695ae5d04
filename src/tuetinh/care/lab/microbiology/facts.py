"""How cultures and isolates look in FHIR: an Observation each, antibiotics as components. The one place that knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from django.utils.translation import gettext_lazy

from tuetinh.care.lab import facts
from tuetinh.care.lab.catalogue import Bounds, Test, analytes
from tuetinh.care.lab.microbiology.judging import Susceptibility
from tuetinh.care.lab.microbiology.lists import antibiotics, organisms, phenotypes
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results.facts import CODES
from tuetinh.care.lab.results.rules import Marker
from tuetinh.record import r4

WHONET_ORGANISM: Final = "https://tuetinh.vn/fhir/CodeSystem/whonet-organism"
WHONET_ANTIBIOTIC: Final = "https://tuetinh.vn/fhir/CodeSystem/whonet-antibiotic"
WHONET_SPECIMEN: Final = "https://tuetinh.vn/fhir/CodeSystem/whonet-specimen"
PHENOTYPE: Final = "https://tuetinh.vn/fhir/CodeSystem/phenotype"
MARK: Final = "https://tuetinh.vn/fhir/CodeSystem/resistance-mark"
JUDGED: Final = "https://tuetinh.vn/fhir/StructureDefinition/susceptibility-judgement"
SNOMED: Final = "http://snomed.info/sct"
ATC: Final = "http://www.whocc.no/atc"
INTERIM: Final = "interim-report"  # the tag of a preliminary culture that was told to the ward
CULTURE: Final = "CULT"
_FLAGS: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_SIR: Final = {"S": "Susceptible", "I": "Intermediate", "R": "Resistant"}
_UNITS: Final = {"disk": ("mm", "mm"), "mic": ("mg/L", "mg/L"), "etest": ("mg/L", "mg/L")}
_PLACES: Final = {
    "quantity": None,
    "gram": "664-3",
    "count": "564-5",
    "comment": None,
}  # components in words, with their LOINC codes

# What a culture shows: in words for people and record, whether something grows, and the code of SNOMED or WHONET.
OUTCOMES: Final = {
    "no-growth": gettext_lazy("Chưa mọc"),
    "growth": gettext_lazy("Có mọc vi sinh vật"),
    "normal-flora": gettext_lazy("Vi hệ bình thường"),
    "contaminated": gettext_lazy("Nghi tạp nhiễm, đề nghị lấy lại mẫu"),
    "negative": gettext_lazy("Âm tính: không mọc"),
}
_SAID: Final = {
    "no-growth": "Chưa mọc sau {hours} giờ",
    "growth": "Có mọc vi sinh vật",
    "normal-flora": "Vi hệ bình thường",
    "contaminated": "Nghi tạp nhiễm, đề nghị lấy lại mẫu",
    "negative": "Không mọc sau {hours} giờ",
}
_FOUND: Final = {"no-growth": "N", "negative": "N", "normal-flora": "N", "contaminated": "A", "growth": "A"}
FINAL: Final = frozenset({"growth", "normal-flora", "contaminated", "negative"})  # that may be signed
_NO_GROWTH: Final = r4.Coding(system=SNOMED, code="264868006", display="No growth")


@dataclass(frozen=True, slots=True)
class Isolate:
    """One organism that grew, with its antibiogram. number: of the culture's; found: `+` or `-` by phenotype."""

    number: int
    organism: str
    quantity: str = ""
    gram: str = ""
    count: str = ""
    comment: str = ""
    tests: tuple[Susceptibility, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    status: str = ""
    device: str = ""

    @property
    def name(self) -> str:
        """The name of the organism."""
        known = organisms().get(self.organism)
        return known.name if known else self.organism

    @property
    def about(self) -> str:
        """How it looks and how much of it grew, in a line."""
        count = f"{self.count} CFU/ml" if self.count else ""
        return " · ".join(filter(None, (self.gram, self.quantity, count)))

    @property
    def helps(self) -> list[str]:
        """The antibiotics that act on it, if need be in a higher dose."""
        return [one.name for one in self.tests if one.sir in ("S", "I")]

    @property
    def fails(self) -> list[str]:
        """The antibiotics that it resists."""
        return [one.name for one in self.tests if one.sir == "R"]


def is_culture(what: Test) -> bool:
    """Whether a test is done at the bench of cultures."""
    return any(analyte.key == CULTURE for analyte in what.analytes)


def culture_id(order: str) -> str:
    """Id of the result of a culture."""
    return facts.observation_id(order, CULTURE)


def isolate_id(order: str, number: int) -> str:
    """Id of an isolate of a culture."""
    return f"{culture_id(order)}-{number}"


def culture(
    order: r4.ServiceRequest,
    tube: Tube,
    outcome: str,
    hours: int,
    *,
    isolates: Iterable[str],
    call: bool,
    interim: bool,
) -> r4.Observation:
    """Build the result of a culture. isolates: ids of what grew; call: growth here is told to a doctor at once."""
    said = _SAID[outcome].format(hours=hours)
    reading = facts.Reading(text=said, at=tube.collected_at or tube.received_at)
    result = facts.observation(
        order, analytes()[CULTURE], reading, specimen=tube.specimen, bounds=Bounds(), status="preliminary"
    )
    codings = [r4.Coding(system=CODES, code=outcome)]
    if outcome in ("no-growth", "negative"):
        codings.append(_NO_GROWTH)
    result.valueString, result.valueCodeableConcept = None, r4.CodeableConcept(coding=codings, text=said)
    flag = "AA" if call and outcome == "growth" else _FOUND[outcome]
    result.interpretation = [_concept(_FLAGS, flag, facts.FLAG_TEXT[flag])]
    result.hasMember = [facts.ref("Observation", id_) for id_ in isolates] or None
    if interim:
        result.meta = r4.Meta(tag=[r4.Coding(system=CODES, code=INTERIM)])
    return result


def outcome_of(result: r4.Observation | None) -> str:
    """What a culture shows, or ""."""
    found = facts.value_code(result) if result else ""
    return found if found in OUTCOMES else ""


def is_interim(result: r4.Observation) -> bool:
    """Whether a preliminary culture was told to the ward."""
    tags = (result.meta.tag if result.meta else None) or []
    return any(tag.system == CODES and tag.code == INTERIM for tag in tags)


def isolate(
    order: r4.ServiceRequest, tube: Tube, what: Isolate, *, source: str, marks: Iterable[Marker], told: Iterable[str]
) -> r4.Observation:
    """Build the result of one isolate. source: WHONET's kind of its specimen; told: what expert rules say of it."""
    organism = organisms()[what.organism]
    reading = facts.Reading(text=organism.name, device=what.device, at=tube.collected_at or tube.received_at)
    result = facts.observation(
        order, analytes()["ORGANISM"], reading, specimen=tube.specimen, bounds=Bounds(), status="preliminary"
    )
    result.id = isolate_id(order.id or "", what.number)
    codings = [r4.Coding(system=WHONET_ORGANISM, code=organism.code, display=organism.name)]
    if organism.snomed:
        codings.append(r4.Coding(system=SNOMED, code=organism.snomed, display=organism.name))
    result.valueString = None
    result.valueCodeableConcept = r4.CodeableConcept(coding=codings, text=organism.name)
    result.interpretation = [_concept(_FLAGS, "A", facts.FLAG_TEXT["A"])]
    parts = []
    if source:
        parts.append(_coded("specimen-type", WHONET_SPECIMEN, source))
    parts += [_words(name, getattr(what, name)) for name in _PLACES if getattr(what, name)]
    parts += [_phenotype(code, sign) for code, sign in what.found.items() if sign]
    parts += [_mark(marker) for marker in marks]
    parts += [_susceptibility(one) for one in what.tests]
    result.component = parts or None
    result.note = [r4.Annotation(text=text) for text in told] or None
    return result


def _words(name: str, text: str) -> r4.ObservationComponent:
    codings, loinc = [r4.Coding(system=CODES, code=name)], _PLACES[name]
    if loinc:
        codings.append(r4.Coding(system=facts.LOINC, code=loinc))
    return r4.ObservationComponent(code=r4.CodeableConcept(coding=codings), valueString=text)


def _coded(name: str, system: str, code: str) -> r4.ObservationComponent:
    return r4.ObservationComponent(code=_concept(CODES, name), valueCodeableConcept=_concept(system, code))


def _phenotype(code: str, sign: str) -> r4.ObservationComponent:
    flag = "POS" if sign == "+" else "NEG"
    return r4.ObservationComponent(
        code=_concept(PHENOTYPE, code, phenotypes()[code].names[1]),
        valueCodeableConcept=_concept(_FLAGS, flag, facts.FLAG_TEXT[flag]),
    )


def _mark(marker: Marker) -> r4.ObservationComponent:
    return r4.ObservationComponent(
        code=_concept(CODES, "resistance-mark"),
        valueCodeableConcept=r4.CodeableConcept(
            coding=[r4.Coding(system=MARK, code=marker.mark, display=marker.en)], text=marker.vi
        ),
    )


def _susceptibility(one: Susceptibility) -> r4.ObservationComponent:
    drug = antibiotics()[one.antibiotic]
    codings = [r4.Coding(system=WHONET_ANTIBIOTIC, code=drug.code, display=drug.name)]
    if drug.loinc:
        codings.append(r4.Coding(system=facts.LOINC, code=drug.loinc))
    codings.append(r4.Coding(system=ATC, code=drug.atc))
    unit, ucum = _UNITS[one.method]
    told = {"method": one.method, "disk": one.disk, "table": one.table, "rules": " ".join(one.rules)}
    return r4.ObservationComponent(
        extension=[
            r4.Extension(
                url=JUDGED, extension=[r4.Extension(url=name, valueString=text) for name, text in told.items() if text]
            )
        ],
        code=r4.CodeableConcept(coding=codings, text=drug.name),
        valueQuantity=None if one.number is None else r4.Quantity(
            value=one.number, comparator=one.comparator or None, unit=unit, system=facts.UCUM, code=ucum
        ),
        dataAbsentReason=_concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", "not-performed")
        if one.number is None else None,
        interpretation=[_concept(_FLAGS, one.sir, _SIR[one.sir])] if one.sir else None,
        referenceRange=[r4.ObservationReferenceRange(text=one.limits)] if one.limits else None,
    )  # fmt: skip


def read_isolate(result: r4.Observation) -> Isolate:
    """Read an isolate, as it stands in the record."""
    said: dict[str, str] = {}
    found, marks, tests = {}, [], []
    for part in result.component or []:
        coding = next(iter((part.code.coding if part.code else None) or []), r4.Coding())
        value = next(iter((part.valueCodeableConcept.coding if part.valueCodeableConcept else None) or []), r4.Coding())
        if coding.system == WHONET_ANTIBIOTIC:
            tests.append(_read_susceptibility(coding.code or "", part))
        elif coding.system == PHENOTYPE:
            found[coding.code or ""] = "+" if value.code == "POS" else "-"
        elif coding.code == "resistance-mark":
            marks.append(value.code or "")
        elif coding.code in _PLACES:
            said[coding.code] = part.valueString or ""
    return Isolate(
        number=int((result.id or "0").rpartition("-")[2]) if (result.id or "").rpartition("-")[2].isdigit() else 0,
        organism=facts.value_code(result), tests=tuple(tests), found=found, marks=tuple(marks),
        status=result.status or "", device=(result.device.display or "") if result.device else "",
        **said,
    )  # fmt: skip


def _read_susceptibility(code: str, part: r4.ObservationComponent) -> Susceptibility:
    told = next((one.extension or [] for one in part.extension or [] if one.url == JUDGED), [])
    says = {one.url or "": one.valueString or "" for one in told}
    quantity = part.valueQuantity
    number: Decimal | None = quantity.value if quantity else None
    sir = next((c.code or "" for concept in part.interpretation or [] for c in concept.coding or []), "")
    return Susceptibility(
        code, says.get("method", ""), number, (quantity.comparator or "") if quantity else "", says.get("disk", ""),
        sir, next((one.text or "" for one in part.referenceRange or []), ""), says.get("table", ""),
        tuple(says.get("rules", "").split()),
    )  # fmt: skip


def specimen_of(result: r4.Observation) -> str:
    """WHONET's kind of the specimen of an isolate, or ""."""
    values = (part.valueCodeableConcept for part in result.component or [] if part.valueCodeableConcept)
    codings = (coding for value in values for coding in value.coding or [])
    return next((coding.code or "" for coding in codings if coding.system == WHONET_SPECIMEN), "")


def flag_id(isolate: str, mark: str) -> str:
    """Id of the warning of a mark."""
    return f"{isolate}-{mark}"


def flag(result: r4.Observation, marker: Marker) -> r4.Flag:
    """Build the warning of a person who carries a multi-resistant organism, for infection control."""
    return r4.Flag(
        id=flag_id(result.id or "", marker.mark),
        status="active",
        category=[_concept("http://terminology.hl7.org/CodeSystem/flag-category", "safety", "Safety")],
        code=r4.CodeableConcept(
            coding=[r4.Coding(system=MARK, code=marker.mark, display=marker.en)], text=f"{marker.mark}: {marker.vi}"
        ),
        subject=result.subject,
        encounter=result.encounter,
        period=r4.Period(start=result.effectiveDateTime),
        author=next(iter(result.performer or []), None),
    )


def _concept(system: str, code: str, display: str | None = None) -> r4.CodeableConcept:
    return r4.CodeableConcept(coding=[r4.Coding(system=system, code=code, display=display)])
