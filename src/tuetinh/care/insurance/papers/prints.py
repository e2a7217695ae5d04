"""Papers as people carry them: one form for all, the lines those of the paper."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from tuetinh.care.insurance.claims import tables_of
from tuetinh.care.insurance.filling.papers import last_day
from tuetinh.care.insurance.filling.reading import staff_name
from tuetinh.care.insurance.filling.visit import Visit, gather
from tuetinh.care.insurance.papers.actions import facilities
from tuetinh.care.insurance.papers.catalogue import Paper
from tuetinh.care.insurance.papers.facts import Answered, holds_a_year
from tuetinh.care.insurance.papers.forms import as_written, in_words
from tuetinh.care.insurance.rules.desk import RULES
from tuetinh.care.insurance.situations import moment
from tuetinh.care.insurance.tables import Row
from tuetinh.commons.documents.api import pdf, qr
from tuetinh.record import r4


def paper(encounter: r4.Encounter, what: Paper, one: Answered, order: r4.ServiceRequest | None = None) -> bytes:
    """A paper on A4: whose it is, what table 1 knows, what was answered, who signs. order: of a referral."""
    visit, summary = _visit(encounter)
    places = {code: to.name or code for code, to in facilities().items()}
    told = {name: value for name, value in one.answers.items() if value not in ("", "0")}
    shown = [
        (str(label), in_words(what, name, told[name], places)) for name, label in what.asked.items() if name in told
    ]
    if what.days:
        since, _, count = what.days
        if until := last_day(one.answers, since, count):
            shown.append(("Đến hết ngày", as_written(until)))
    if order and order.occurrencePeriod and (last := moment(order.occurrencePeriod.end)):
        often = "cho mọi lượt khám" if holds_a_year(order) else "cho một lượt khám"
        shown.append(("Có giá trị", f"đến hết ngày {last:%d/%m/%Y}, {often}"))
    at = timezone.localtime(moment(one.issued) or timezone.now())
    data = _person(visit, summary) | {
        "title": what.formal, "number": one.number, "lines": shown, "doctor": staff_name(visit, one.author),
        "when": f"{at:Ngày %d tháng %m năm %Y}", "qr": qr(f"https://tuetinh.vn/fhir/sid/insurance-paper|{one.number}"),
    }  # fmt: skip
    return pdf("insurance/paper.typ", data, "A4")


def appointment(encounter: r4.Encounter, one: r4.Appointment) -> bytes:
    """The appointment to be seen again, on A5."""
    visit, summary = _visit(encounter)
    number = next((i.value or "" for i in one.identifier or []), "")
    doctor = next((p.actor for p in one.participant if p.actor and "Practitioner/" in (p.actor.reference or "")), None)
    at, made = moment(one.start), timezone.localtime(moment(one.created) or timezone.now())
    data = _person(visit, summary) | {
        "title": "GIẤY HẸN KHÁM LẠI", "number": number,
        "lines": [("Hẹn khám lại ngày", f"{at:%d/%m/%Y}" if at else "")],
        "doctor": staff_name(visit, doctor), "when": f"{made:Ngày %d tháng %m năm %Y}",
        "qr": qr(f"https://tuetinh.vn/fhir/sid/insurance-paper|{number}"),
    }  # fmt: skip
    return pdf("insurance/paper.typ", data, "A5")


def _visit(encounter: r4.Encounter) -> tuple[Visit, Row]:
    visit, situation = gather(RULES, encounter.id or "")
    return visit, tables_of(visit, situation)["XML1"][0]


def _person(visit: Visit, summary: Row) -> dict[str, Any]:
    def row(name: str) -> str:
        return summary.get(name, "")

    sexes = {"1": "Nam", "2": "Nữ"}
    born = row("NGAY_SINH")[:8]
    return {
        "facility": {"name": visit.facility.name},
        "patient": {"name": row("HO_TEN"), "code": row("MA_BN")},
        "birth": as_written(born) if born[4:] != "0000" else born[:4],
        "sex": sexes.get(row("GIOI_TINH"), ""),
        "address": row("DIA_CHI"),
        "card": row("MA_THE_BHYT"),
        "stay": " – ".join(as_written(row(name)) for name in ("NGAY_VAO", "NGAY_RA") if row(name)),
        "diagnoses": row("CHAN_DOAN_RV"),
        "codes": "; ".join(filter(None, (row("MA_BENH_CHINH"), *row("MA_BENH_KT").split(";")))),
    }
