"""The invariants of the base definitions.

Each test takes the JSON object of its type, already known to be of the right shape, and says whether the invariant
holds. The frequent and plain ones are written in Python (`TESTS`); the others are run by their FHIRPath expressions.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tuetinh.record.validate.expressions import ABOVE, expression_test
from tuetinh.record.validate.rules import RULES, Invariant

Json = dict[str, Any]
Test = Callable[[Json], bool]

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"


def has(o: Json, *names: str) -> bool:
    """Whether any of the elements exists, by value or by extension."""
    return any(name in o or f"_{name}" in o for name in names)


def chosen(o: Json, stem: str) -> str | None:
    """The name under which a choice element (`value[x]`) stands."""
    size = len(stem)
    for key in o:
        name = key.removeprefix("_")
        if name.startswith(stem) and len(name) > size and name[size].isupper():
            return name
    return None


def codings(o: Json, name: str) -> set[tuple[str | None, str | None]]:
    """System and code of each coding of a CodeableConcept element."""
    return {(c.get("system"), c.get("code")) for c in o.get(name, {}).get("coding", [])}


def in_order(first: str, second: str) -> bool:
    """Whether one date or time is not after another, as far as their precisions tell."""
    if "T" in first and "T" in second:
        try:
            return datetime.datetime.fromisoformat(first) <= datetime.datetime.fromisoformat(second)
        except (ValueError, TypeError):
            return True
    size = min(len(first), len(second), 10)
    return first[:size] <= second[:size]


def _period(o: Json) -> bool:
    return "start" not in o or "end" not in o or in_order(o["start"], o["end"])


def _range(o: Json) -> bool:
    low, high = o.get("low", {}), o.get("high", {})
    same_unit = low.get("code", low.get("unit")) == high.get("code", high.get("unit"))
    return "value" not in low or "value" not in high or not same_unit or low["value"] <= high["value"]


def _ratio(o: Json) -> bool:
    return (("numerator" in o) == ("denominator" in o)) and ("numerator" in o or "extension" in o)


def _offset(o: Json) -> bool:
    return not has(o, "offset") or (has(o, "when") and not {"C", "CM", "CD", "CV"} & set(o.get("when", [])))


def _trigger(o: Json) -> bool:
    kind = o.get("type", "")
    return (
        (kind != "named-event" or has(o, "name"))
        and (kind != "periodic" or chosen(o, "timing") is not None)
        and (not kind.startswith("data-") or has(o, "data"))
    )


def _ucum(o: Json) -> bool:
    return (has(o, "code") or not has(o, "value")) and o.get("system", UCUM) == UCUM


UCUM = "http://unitsofmeasure.org"


def _observation_components(o: Json) -> bool:
    if chosen(o, "value") is None:
        return True
    own = codings(o, "code")
    return not any(own & codings(c, "code") for c in o.get("component", []))


def _entries(o: Json) -> list[Json]:
    entries: list[Json] = o.get("entry", [])
    return entries


def _entry_part(part: str, *kinds: str) -> Test:
    return lambda o: all((part in e) == (o.get("type") in kinds) for e in _entries(o))


def _full_urls(o: Json) -> bool:
    if o.get("type") == "history":
        return True
    urls = [
        (e["fullUrl"], e.get("resource", {}).get("meta", {}).get("versionId")) for e in _entries(o) if "fullUrl" in e
    ]
    return len(urls) == len(set(urls))


def _first(kind: str, resource_type: str) -> Test:
    def test(o: Json) -> bool:
        if o.get("type") != kind:
            return True
        entries = _entries(o)
        return bool(entries) and entries[0].get("resource", {}).get("resourceType") == resource_type

    return test


def _entered_in_error(o: Json, system: str) -> bool:
    return (TERMINOLOGY + system, "entered-in-error") in codings(o, "verificationStatus")


def _abated(o: Json) -> bool:
    done = {(TERMINOLOGY + "condition-clinical", code) for code in ("resolved", "remission", "inactive")}
    return chosen(o, "abatement") is None or bool(done & codings(o, "clinicalStatus"))


def _condition_status(o: Json) -> bool:
    problem = (TERMINOLOGY + "condition-category", "problem-list-item")
    listed = any(problem in codings({"c": c}, "c") for c in o.get("category", []))
    return has(o, "clinicalStatus") or _entered_in_error(o, "condition-ver-status") or not listed


def _not_home(name: str) -> Test:
    return lambda o: all(item.get("use") != "home" for item in o.get(name, []))


def _parameter(o: Json) -> bool:
    return has(o, "part") + (chosen(o, "value") is not None) + has(o, "resource") == 1


def _link_ids(o: Json) -> bool:
    seen: set[str] = set()
    todo = list(o.get("item", []))
    while todo:
        item = todo.pop()
        if item.get("linkId") in seen:
            return False
        seen.add(item.get("linkId"))
        todo.extend(item.get("item", []))
    return True


def _concept_codes(o: Json) -> bool:
    seen: set[str] = set()
    todo = list(o.get("concept", []))
    while todo:
        concept = todo.pop()
        if concept.get("code") in seen:
            return False
        seen.add(concept.get("code"))
        todo.extend(concept.get("concept", []))
    return True


def _appointment_times(o: Json) -> bool:
    timed = has(o, "start") and has(o, "end")
    return timed or o.get("status") in ("proposed", "cancelled", "waitlist")


def _implies(name: str, *needed: str) -> Test:
    return lambda o: not has(o, name) or has(o, *needed)


def _any(*names: str) -> Test:
    return lambda o: has(o, *names)


def _not_both(one: str, other: str) -> Test:
    return lambda o: not (has(o, one) and has(o, other))


def _one(one: str, other: str) -> Test:
    return lambda o: has(o, one) != has(o, other)


def _not_negative(name: str) -> Test:
    return lambda o: o.get(name, Decimal(0)) >= 0


_EXTENSION_VALUES = frozenset(
    prefix + name for name in RULES.types["Extension"].choices["value"].names for prefix in ("", "_")
)

TESTS: dict[tuple[str, str], Test] = {
    ("AllergyIntolerance", "ait-1"): lambda o: (
        _entered_in_error(o, "allergyintolerance-verification") or has(o, "clinicalStatus")
    ),
    ("AllergyIntolerance", "ait-2"): lambda o: (
        not (_entered_in_error(o, "allergyintolerance-verification") and has(o, "clinicalStatus"))
    ),
    ("Age", "age-1"): lambda o: _ucum(o) and o.get("value", 1) > 0,
    ("Age", "qty-3"): _implies("code", "system"),
    ("Appointment", "app-2"): lambda o: has(o, "start") == has(o, "end"),
    ("Appointment", "app-3"): _appointment_times,
    ("Appointment", "app-4"): lambda o: not has(o, "cancelationReason") or o.get("status") in ("noshow", "cancelled"),
    ("AppointmentParticipant", "app-1"): _any("type", "actor"),
    ("AppointmentResponse", "apr-1"): _any("participantType", "actor"),
    ("Attachment", "att-1"): _implies("data", "contentType"),
    ("AuditEventEntity", "sev-1"): _not_both("name", "query"),
    ("Bundle", "bdl-1"): lambda o: "total" not in o or o.get("type") in ("searchset", "history"),
    ("Bundle", "bdl-2"): lambda o: o.get("type") == "searchset" or not any("search" in e for e in _entries(o)),
    ("Bundle", "bdl-3"): _entry_part("request", "batch", "transaction", "history"),
    ("Bundle", "bdl-4"): _entry_part("response", "batch-response", "transaction-response", "history"),
    ("Bundle", "bdl-7"): _full_urls,
    ("Bundle", "bdl-9"): lambda o: o.get("type") != "document" or {"system", "value"} <= set(o.get("identifier", {})),
    ("Bundle", "bdl-10"): lambda o: o.get("type") != "document" or "timestamp" in o,
    ("Bundle", "bdl-11"): _first("document", "Composition"),
    ("Bundle", "bdl-12"): _first("message", "MessageHeader"),
    ("BundleEntry", "bdl-5"): _any("resource", "request", "response"),
    ("BundleEntry", "bdl-8"): lambda o: "/_history/" not in o.get("fullUrl", ""),
    ("CodeSystem", "csd-1"): _concept_codes,
    ("CompositionSection", "cmp-1"): _any("text", "entry", "section"),
    ("CompositionSection", "cmp-2"): _not_both("emptyReason", "entry"),
    ("ConceptMapGroupElementTarget", "cmd-1"): lambda o: (
        has(o, "comment") or o.get("equivalence") not in ("narrower", "inexact")
    ),
    ("Condition", "con-3"): _condition_status,
    ("Condition", "con-4"): _abated,
    ("Condition", "con-5"): lambda o: not (_entered_in_error(o, "condition-ver-status") and has(o, "clinicalStatus")),
    ("ConditionEvidence", "con-2"): _any("code", "detail"),
    ("ConditionStage", "con-1"): _any("summary", "assessment"),
    ("Consent", "ppc-1"): _any("policy", "policyRule"),
    ("ContactPoint", "cpt-2"): _implies("value", "system"),
    ("Count", "cnt-3"): lambda o: _ucum(o) and o.get("code", "1") == "1" and o.get("value", 0) % 1 == 0,
    ("Count", "qty-3"): _implies("code", "system"),
    ("DataRequirementCodeFilter", "drq-1"): _one("path", "searchParam"),
    ("DataRequirementDateFilter", "drq-2"): _one("path", "searchParam"),
    ("Distance", "dis-1"): _ucum,
    ("Distance", "qty-3"): _implies("code", "system"),
    ("Duration", "drt-1"): lambda o: not has(o, "code") or (o.get("system") == UCUM and has(o, "value")),
    ("Duration", "qty-3"): _implies("code", "system"),
    ("Expression", "exp-1"): _any("expression", "reference"),
    ("Extension", "ext-1"): lambda o: ("extension" in o) == _EXTENSION_VALUES.isdisjoint(o),
    ("FamilyMemberHistory", "fhs-1"): lambda o: chosen(o, "age") is None or chosen(o, "born") is None,
    ("FamilyMemberHistory", "fhs-2"): lambda o: not has(o, "estimatedAge") or chosen(o, "age") is not None,
    ("GoalTarget", "gol-1"): lambda o: chosen(o, "detail") is None or has(o, "measure"),
    ("Group", "grp-1"): lambda o: not has(o, "member") or o.get("actual") is True,
    ("ImmunizationEducation", "imm-1"): _any("documentType", "reference"),
    ("ImmunizationRecommendationRecommendation", "imr-1"): _any("vaccineCode", "targetDisease"),
    ("InsurancePlan", "ipn-1"): _any("identifier", "name"),
    ("Linkage", "lnk-1"): lambda o: len(o.get("item", [])) > 1,
    ("List", "lst-1"): _not_both("emptyReason", "entry"),
    ("List", "lst-2"): lambda o: o.get("mode") == "changes" or not any(has(e, "deleted") for e in _entries(o)),
    ("List", "lst-3"): lambda o: o.get("mode") == "working" or not any(has(e, "date") for e in _entries(o)),
    ("MedicationAdministrationDosage", "mad-1"): lambda o: has(o, "dose") or chosen(o, "rate") is not None,
    ("MedicationDispense", "mdd-1"): lambda o: (
        not {"whenPrepared", "whenHandedOver"} <= set(o) or in_order(o["whenPrepared"], o["whenHandedOver"])
    ),
    ("MoneyQuantity", "mqty-1"): lambda o: (
        (has(o, "code") or not has(o, "value")) and o.get("system", "urn:iso:std:iso:4217") == "urn:iso:std:iso:4217"
    ),
    ("Observation", "obs-6"): lambda o: not has(o, "dataAbsentReason") or chosen(o, "value") is None,
    ("Observation", "obs-7"): _observation_components,
    ("ObservationReferenceRange", "obs-3"): _any("low", "high", "text"),
    ("Organization", "org-1"): _any("identifier", "name"),
    ("Organization", "org-2"): _not_home("address"),
    ("Organization", "org-3"): _not_home("telecom"),
    ("ParametersParameter", "inv-1"): _parameter,
    ("PatientContact", "pat-1"): _any("name", "telecom", "address", "organization"),
    ("Period", "per-1"): _period,
    ("Quantity", "qty-3"): _implies("code", "system"),
    ("Questionnaire", "que-2"): _link_ids,
    ("QuestionnaireItem", "que-3"): lambda o: o.get("type") != "display" or not has(o, "code"),
    ("QuestionnaireItem", "que-4"): _not_both("answerOption", "answerValueSet"),
    ("QuestionnaireItem", "que-6"): lambda o: o.get("type") != "display" or not has(o, "required", "repeats"),
    ("QuestionnaireItem", "que-8"): lambda o: o.get("type") not in ("group", "display") or not has(o, "initial"),
    ("QuestionnaireItem", "que-9"): lambda o: o.get("type") != "display" or not has(o, "readOnly"),
    ("QuestionnaireItem", "que-11"): _not_both("answerOption", "initial"),
    ("QuestionnaireResponseItem", "qrs-1"): _not_both("answer", "item"),
    ("Range", "rng-2"): _range,
    ("Ratio", "rat-1"): _ratio,
    ("RequestGroupAction", "rqg-1"): _one("resource", "action"),
    ("RiskAssessmentPrediction", "ras-2"): lambda o: o.get("probabilityDecimal", 0) <= 100,
    ("SearchParameter", "spd-1"): _implies("xpath", "xpathUsage"),
    ("ServiceRequest", "prr-1"): _implies("orderDetail", "code"),
    ("SimpleQuantity", "sqty-1"): lambda o: not has(o, "comparator"),
    ("TimingRepeat", "tim-1"): _implies("duration", "durationUnit"),
    ("TimingRepeat", "tim-2"): _implies("period", "periodUnit"),
    ("TimingRepeat", "tim-4"): _not_negative("duration"),
    ("TimingRepeat", "tim-5"): _not_negative("period"),
    ("TimingRepeat", "tim-6"): _implies("periodMax", "period"),
    ("TimingRepeat", "tim-7"): _implies("durationMax", "duration"),
    ("TimingRepeat", "tim-8"): _implies("countMax", "count"),
    ("TimingRepeat", "tim-9"): _offset,
    ("TimingRepeat", "tim-10"): _not_both("timeOfDay", "when"),
    ("TriggerDefinition", "trd-1"): lambda o: not has(o, "data") or chosen(o, "timing") is None,
    ("TriggerDefinition", "trd-2"): _implies("condition", "data"),
    ("TriggerDefinition", "trd-3"): _trigger,
    ("ValueSetComposeInclude", "vsd-1"): _any("valueSet", "system"),
    ("ValueSetComposeInclude", "vsd-2"): lambda o: not has(o, "concept", "filter") or has(o, "system"),
    ("ValueSetComposeInclude", "vsd-3"): _not_both("concept", "filter"),
    ("ValueSetExpansionContains", "vsd-6"): _any("code", "display"),
    ("ValueSetExpansionContains", "vsd-9"): lambda o: has(o, "code") or o.get("abstract") is True,
    ("ValueSetExpansionContains", "vsd-10"): _implies("code", "system"),
}

# Held by the walk itself, which knows the whole resource.
HELD_BY_WALK = {"ele-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "txt-2"}
# Best practice, no fault: R4 marks dom-6 as a warning that every machine-made resource would earn.
NOT_REPORTED = {"dom-6"}

# What is written in Python is quicker than its expression; all others are run as they stand.
_PASSED_OVER = HELD_BY_WALK | NOT_REPORTED


def of(name: str) -> list[tuple[Invariant, Test]]:
    """The invariants of a type (or quantity profile) and of its elements, each with its test."""
    rule = RULES.types[name]
    found = [(i, TESTS.get((name, i.key)) or expression_test(name, i)) for i in rule.invariants if _own(name, i)]
    for element_name, element in rule.elements.items():
        stem = element.choice or element_name
        for i in element.invariants:
            if _own(name, i) and not any(i == known for known, _ in found):
                found.append((i, TESTS.get((name, i.key)) or expression_test(name, i, stem)))
    for (below, key), (above, element_name) in ABOVE.items():
        if above == name:
            invariant = next(i for i in RULES.types[below].invariants if i.key == key)
            found.append((invariant, expression_test(name, invariant, element_name)))
    return found


def _own(name: str, invariant: Invariant) -> bool:
    return invariant.key not in _PASSED_OVER and (name, invariant.key) not in ABOVE
