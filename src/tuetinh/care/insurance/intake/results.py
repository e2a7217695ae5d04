"""Tables 4 and 5: results of what was ordered, and how the illness went."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from tuetinh.care.insurance.filling.reading import LOINC, MACHINE
from tuetinh.care.insurance.intake import reading
from tuetinh.care.insurance.intake.lines import numbered
from tuetinh.care.insurance.intake.stay import Stay
from tuetinh.care.insurance.tables import Row
from tuetinh.commons.catalogues.api import SERVICES, service
from tuetinh.record import r4

CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
INDICES: Final = "https://tuetinh.vn/fhir/CodeSystem/ma-chi-so"
NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,8})?")
_LOINC = re.compile(r"\d{3,5}-\d")
Orders = dict[str, list[tuple[r4.ServiceRequest, Row]]]


def add_results(stay: Stay, orders: Orders) -> None:
    """Add the facts of table 4, and a report of each order that has something to report.

    A row without a value is the report of its order; where that is one of other rows too, it has one of its own.
    """
    of_order: dict[str, list[tuple[r4.Observation | None, Row]]] = {}
    placed: list[tuple[str, Row, r4.ServiceRequest, Row, r4.Observation | None]] = []
    for number, row in numbered(stay.told.tables.get("XML4", [])):
        order, line = _order_of(stay, orders, row, number)
        one = _observation(stay, number, row, order, line)
        if one is not None:
            stay.add(one, "XML4", number)
        of_order.setdefault(str(order.id), []).append((one, row))
        placed.append((number, row, order, line, one))
    reports: dict[str, r4.DiagnosticReport] = {}
    for code in orders.values():
        for order, line in code:
            results = of_order.get(str(order.id), [])
            if results or (line.get("MA_NHOM") in ("1", "2", "3") and line.get("NGAY_KQ")):
                report = reports[str(order.id)] = _report(stay, order, line, results)
                stay.add(report)
    for number, row, order, line, one in placed:
        if one is None and len(of_order[str(order.id)]) == 1:
            stay.add_row("XML4", reports[str(order.id)])
        elif one is None:
            apart = _report(stay, order, line, [(None, row)])
            apart.id = f"{apart.id}-{number}"
            stay.add(apart, "XML4", number)
            stay.add_row("XML4", apart)
        else:
            stay.add_row("XML4", one)


def _order_of(stay: Stay, orders: Orders, row: Row, number: str) -> tuple[r4.ServiceRequest, Row]:
    """The order of a result: of its code, the one whose result came then; one is made where table 3 has none."""
    code = reading.code(row.get("MA_DICH_VU", ""))
    known = orders.setdefault(code, [])
    if not known:
        entry = service(code)
        name = entry.name if entry else row.get("TEN_CHI_SO") or code or "?"
        concept = r4.CodeableConcept(coding=[r4.Coding(system=SERVICES, code=code)] if code else None, text=name)
        order = r4.ServiceRequest(
            id=f"{stay.id}-s4{number}", status="completed", intent="order", code=concept, subject=stay.subject,
            encounter=stay.encounter, authoredOn=reading.at(row.get("NGAY_KQ", "")) or None,
        )  # fmt: skip
        stay.add(order, "XML4", number)
        known.append((order, {}))
    at = row.get("NGAY_KQ", "")
    return next((one for one in known if one[1].get("NGAY_KQ") == at), known[0])


def _observation(stay: Stay, number: str, row: Row, order: r4.ServiceRequest, line: Row) -> r4.Observation | None:
    """One index; None of a row that describes and concludes only."""
    value = row.get("GIA_TRI", "")
    if not value:
        return None
    code, name = reading.code(row.get("MA_CHI_SO", "")), row.get("TEN_CHI_SO", "")
    system = LOINC if _LOINC.fullmatch(code) else INDICES
    done = reading.at(line.get("NGAY_TH_YL", "")) or reading.at(line.get("NGAY_YL", ""))
    machine = line.get("MA_MAY", "") or row.get("MA_MAY", "")
    quantity = r4.Quantity(value=Decimal(value), unit=row.get("DON_VI_DO")) if NUMBER.fullmatch(value) else None
    return r4.Observation(
        id=f"{stay.id}-o{number}",
        basedOn=[r4.Reference(reference=f"ServiceRequest/{order.id}")],
        status="final",
        category=[reading.coded(CATEGORIES, "imaging" if line.get("MA_NHOM") == "2" else "laboratory")],
        code=r4.CodeableConcept(
            coding=[r4.Coding(system=system, code=code)] if code else None, text=name or code or "?"
        ),
        subject=stay.subject,
        encounter=stay.encounter,
        effectiveDateTime=done or reading.at(row.get("NGAY_KQ", "")) or None,
        issued=_instant(row.get("NGAY_KQ", "")),
        performer=stay.everyone(row.get("MA_BS_DOC_KQ", "")),
        valueQuantity=quantity,
        valueString=None if quantity else value,
        note=[r4.Annotation(text=row["MO_TA"])] if row.get("MO_TA") else None,
        device=r4.Reference(identifier=r4.Identifier(system=MACHINE, value=machine)) if machine else None,
    )


def _report(
    stay: Stay, order: r4.ServiceRequest, line: Row, results: list[tuple[r4.Observation | None, Row]]
) -> r4.DiagnosticReport:
    """The report of an order. What was described without a value stands before the conclusion."""
    rows = [row for _, row in results]
    described = _joined(row.get("MO_TA", "") for one, row in results if one is None)
    concluded = _joined(row.get("KET_LUAN", "") for row in rows)
    ready = line.get("NGAY_KQ") or next((row["NGAY_KQ"] for row in rows if row.get("NGAY_KQ")), "")
    readers = ";".join(row["MA_BS_DOC_KQ"] for row in rows if row.get("MA_BS_DOC_KQ"))
    done = reading.at(line.get("NGAY_TH_YL", "")) or reading.at(line.get("NGAY_YL", ""))
    return r4.DiagnosticReport(
        id=f"{order.id}-report",
        basedOn=[r4.Reference(reference=f"ServiceRequest/{order.id}")],
        status="final",
        code=order.code or r4.CodeableConcept(text="?"),
        subject=stay.subject,
        encounter=stay.encounter,
        effectiveDateTime=done or reading.at(ready) or None,
        issued=_instant(ready),
        performer=stay.everyone(line.get("NGUOI_THUC_HIEN", "")),
        resultsInterpreter=_once(stay.everyone(readers)),
        result=[r4.Reference(reference=f"Observation/{one.id}") for one, _ in results if one] or None,
        conclusion="\n".join(filter(None, (described, concluded))) or None,
    )


def _once(people: list[r4.Reference] | None) -> list[r4.Reference] | None:
    return list({one.reference: one for one in people or []}.values()) or None


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, texts)))


def _instant(text: str) -> str | None:
    """A moment; a day alone is its beginning."""
    found = reading.at(text)
    return (found if len(found) > 10 else f"{found}T00:00:00{reading.ZONE}") if found else None


def add_progress(stay: Stay) -> None:
    """Add the facts of table 5."""
    for number, row in numbered(stay.told.tables.get("XML5", [])):
        text = row.get("DIEN_BIEN_LS", "")
        notes = [row[name] for name in ("HOI_CHAN", "PHAU_THUAT") if row.get(name)]
        note = r4.ClinicalImpression(
            id=f"{stay.id}-n{number}",
            status="completed",
            subject=stay.subject,
            encounter=stay.encounter,
            date=reading.at(row.get("THOI_DIEM_DBLS", "")) or None,
            assessor=stay.who(row.get("NGUOI_THUC_HIEN", "")),
            description=row.get("GIAI_DOAN_BENH"),
            summary=text or None,
            note=[r4.Annotation(text=one) for one in notes] or None,
        )
        stay.add(note, "XML5", number)
        stay.add_row("XML5", note)
