"""What a paper is filled with before anyone types: what the visit knows, else what the person's last one said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, cast

from django.utils import timezone

from tuetinh.care.insurance.claims import tables_of
from tuetinh.care.insurance.filling.reading import LOINC, code, measured, quantity
from tuetinh.care.insurance.filling.results import SIGNS
from tuetinh.care.insurance.filling.summary import treatment
from tuetinh.care.insurance.filling.visit import Visit, gather
from tuetinh.care.insurance.papers.catalogue import Paper
from tuetinh.care.insurance.papers.facts import QUESTIONNAIRE, read
from tuetinh.care.insurance.rules.desk import RULES
from tuetinh.care.insurance.tables import Tables
from tuetinh.commons.identity.api import display_name
from tuetinh.record import api as record
from tuetinh.record import r4

CARRIED: Final = ("DON_VI", "HO_TEN_CHA", "HO_TEN_ME", "NGUOI_GIAM_HO", "MA_CHA", "MA_ME")  # of any earlier paper


def known(encounter_id: str, paper: Paper) -> dict[str, str]:
    """Answers that a paper of a visit begins with, by field. Raises NoVisit."""
    visit, situation = gather(RULES, encounter_id)
    tables = tables_of(visit, situation)
    before = _earlier(visit)
    found = {name: value for name, value in before.get("", {}).items() if name in CARRIED}
    if paper.again:
        found |= before.get(paper.name, {})
    for name, read_ in KNOWN.items():
        if name in paper.asked and (value := read_(visit, tables)):
            found[name] = value
    return {name: value for name, value in found.items() if name in paper.asked}


def _earlier(visit: Visit) -> dict[str, dict[str, str]]:
    """The answers of the person's last paper of each kind, and under "" those of all of them."""
    query = f"subject=Patient/{visit.patient.id}&_sort=-authored&_count=50"
    found: dict[str, dict[str, str]] = {"": {}}
    for one in cast("list[r4.QuestionnaireResponse]", record.search(RULES, "QuestionnaireResponse", query).resources):
        if not (one.questionnaire or "").startswith(QUESTIONNAIRE):
            continue
        for name, papers in read([one]).items():
            found.setdefault(name, dict(papers[0].answers))
            found[""] = {**papers[0].answers, **found[""]}
    return found


def _course(visit: Visit, _: Tables) -> str:
    return "; ".join(note.description for note in visit.impressions if note.description)


def _found(visit: Visit, _: Tables) -> str:
    return "; ".join(note.summary for note in visit.impressions if note.summary)


def _results(_: Visit, tables: Tables) -> str:
    rows = tables.get("XML4") or []
    told = [
        f"{row['TEN_CHI_SO']} {row['GIA_TRI'] or row['KET_LUAN']} {row['DON_VI_DO']}".strip()
        for row in rows
        if row["GIA_TRI"] or row["KET_LUAN"]
    ]
    return "; ".join(told)


def _used(visit: Visit, tables: Tables) -> str:
    names = [row["TEN_THUOC"] for row in tables.get("XML2") or []]
    return ": ".join(filter(None, (treatment(visit), ", ".join(dict.fromkeys(names)))))


def _state(visit: Visit, _: Tables) -> str:
    """The vital signs, as the one who takes over reads them."""
    words = {"M": "mạch", "T": "nhiệt độ", "NT": "nhịp thở", "SP": "SpO2"}
    told = [f"{words[letter]} {value}" for letter in words if (value := quantity(measured(visit, SIGNS[letter])))]
    panel = measured(visit, SIGNS["HA"])
    if panel is not None:
        parts = {code(c.code, LOINC): c.valueQuantity for c in panel.component or []}
        both = [parts.get(one) for one in ("8480-6", "8462-4")]
        pressure = "/".join(f"{one.value:f}" for one in both if one and one.value is not None)
        told.append(f"huyết áp {pressure}")
    return ", ".join(told)


def _today(*_: object) -> str:
    return timezone.localdate().strftime("%Y%m%d")


def _mother(visit: Visit, _: Tables) -> str:
    """The name of the mother, of a child's record."""
    for contact in visit.patient.contact or []:
        relations = {c.code for concept in contact.relationship or [] for c in concept.coding or []}
        if "MTH" in relations and contact.name:
            return display_name(r4.Patient(name=[contact.name]))
    return ""


def _one(*_: object) -> str:
    return "1"


KNOWN: Final[Mapping[str, Callable[[Visit, Tables], str]]] = {
    "QT_BENHLY": _course,
    "DAU_HIEU_LS": _found,
    "TOMTAT_KQ": _results,
    "PP_DIEUTRI": _used,
    "TINH_TRANG_CT": _state,
    "MA_LYDO_CT": _one,
    "SO_CON": _one,
    "TU_NGAY": _today,
    "HO_TEN_ME": _mother,
}
