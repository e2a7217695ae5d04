"""The cumulative antibiogram, its workbook, and the files for WHONET, which are read back."""

from __future__ import annotations

import csv
import io
import sqlite3
from datetime import timedelta
from pathlib import Path

import openpyxl
import pytest
from django.utils import timezone

from tuetinh.care.lab import actions as lab
from tuetinh.care.lab.microbiology import actions, cumulative, wire_whonet
from tuetinh.care.lab.microbiology.actions import Draft
from tuetinh.care.lab.microbiology.judging import Susceptibility
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.results import changes, entry, validation
from tuetinh.care.lab.results.rules import Counting
from tuetinh.commons.access import api as access
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
URINE, BLOOD = "24.0003.1715/URINECULT", "24.0003.1715/BLOODCULT"


def visit(world) -> r4.Encounter:
    """A visit of another person."""
    patient = record.create(
        SYSTEM, r4.Patient(gender="male", birthDate="1961-05-20", name=[r4.HumanName(text="Giàng A Sử")])
    )
    like = world.encounter
    return record.create(
        SYSTEM,
        r4.Encounter(
            status="in-progress", class_=like.class_, subject=record.ref(patient), serviceProvider=like.serviceProvider
        ),
    )


def grown(world, encounter: r4.Encounter, draft: Draft, pick: str = URINE) -> Tube:
    """A culture that was handed out."""
    [order] = lab.order_tests(world.doctor, encounter, [pick])
    tube = Tube.objects.latest("id")
    lab.receive_specimen(world.lab, tube.number)
    actions.save_isolate(world.lab, tube.number, order.id, 0, draft)
    if Tube.objects.get(pk=tube.pk).critical:
        entry.log_call(world.lab, tube.number, "BS Hà")
    validation.release(world.lab, tube.number)
    return tube


def coli(zone: str) -> Draft:
    return Draft("eco", tests=[("CTX", "disk", zone), ("AMP", "disk", "10")], found={"ESBL": "-"})


def period() -> tuple:
    today = timezone.localdate()
    return today - timedelta(days=1), today


def test_only_the_first_isolate_of_a_person_counts_and_few_have_no_share(world, cast) -> None:
    other = visit(world)
    grown(world, world.encounter, coli("25"))
    grown(world, world.encounter, coli("6"))  # of the same person: not counted
    grown(world, other, coli("19"), BLOOD)
    grown(world, other, Draft("pae", tests=[("MEM", "disk", "25")]))
    found = cumulative.antibiogram(world.lab, "12104", *period())
    assert (found.columns, found.minimum) == (["AMP", "CTX", "MEM"], 30)
    coliform, pseudomonas = found.rows
    assert (coliform.code, coliform.isolates, coliform.few) == ("eco", 2, True)
    assert [(s.tested, s.susceptible, s.increased) for s in coliform.cells(["AMP", "CTX"])] == [(2, 0, 0), (2, 1, 1)]
    assert coliform.cells(["MEM"]) == [None]
    assert (pseudomonas.code, pseudomonas.isolates) == ("pae", 1)
    blood = cumulative.antibiogram(world.lab, "12104", *period(), specimen="bl")
    assert [(row.code, row.isolates) for row in blood.rows] == [("eco", 1)]
    assert cumulative.antibiogram(world.lab, "another", *period()).rows == []
    changes.change(access.asker_of(cast["admin"]), Counting(code="COUNTING", minimum=2), "thử")
    [first, second] = cumulative.antibiogram(world.lab, "12104", *period()).rows
    assert (first.few, first.shares["CTX"].percent, second.few) == (False, 50, True)
    sheet = openpyxl.load_workbook(
        io.BytesIO(cumulative.xlsx(cumulative.antibiogram(world.lab, "12104", *period()), *period()))
    )
    shares = list(sheet["%S"].iter_rows(min_row=2, values_only=True))
    assert shares == [
        ("Vi sinh vật", "Số chủng", "Ampicillin", "Cefotaxim", "Meropenem"),
        ("Escherichia coli", 2, 0, 50, None),
        ("Pseudomonas aeruginosa", 1, None, None, None),
    ]
    assert list(sheet["Số chủng"].iter_rows(min_row=3, values_only=True)) == [
        ("Escherichia coli", 2, 2, 2, None), ("Pseudomonas aeruginosa", 1, None, None, 1),
    ]  # fmt: skip


def test_what_is_not_signed_is_in_no_report(world) -> None:
    [order] = lab.order_tests(world.doctor, world.encounter, [URINE])
    number = Tube.objects.latest("id").number
    lab.receive_specimen(world.lab, number)
    actions.save_isolate(world.lab, number, order.id, 0, coli("25"))
    assert cumulative.antibiogram(world.lab, "12104", *period()).rows == []
    assert wire_whonet.rows(world.lab, "12104", *period()) == []


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (Susceptibility("CIP", "disk", disk="5", table="EUCAST 2024 (v14.0)"), "CIP_ED5"),
        (Susceptibility("SXT", "disk", disk="1.25-23.75", table="EUCAST 2024"), "SXT_ED1_2"),
        (Susceptibility("AMC", "disk", disk="20-10", table="CLSI 2030"), "AMC_ND20"),
        (Susceptibility("VAN", "mic", table="CLSI 2030"), "VAN_NM"),
        (Susceptibility("PEN", "etest", table="EUCAST 2024"), "PEN_EE"),
    ],
)
def test_columns_of_whonet_name_standard_method_and_load(test, expected) -> None:
    assert wire_whonet.column(test) == expected


def test_the_files_for_whonet_are_read_back(world, tmp_path: Path) -> None:
    tube = grown(world, world.encounter, coli("19"))
    other = grown(
        world, visit(world), Draft("sau", comment="ổ áp xe", tests=[("VAN", "mic", "<=1")], found={"DTEST": "+"})
    )
    found = wire_whonet.rows(world.lab, "12104", *period())
    lines = list(csv.DictReader(io.StringIO(wire_whonet.as_text(found).decode()), delimiter="|"))
    today = timezone.localdate().isoformat()
    first, second = lines
    assert list(first)[:12] == list(wire_whonet.FIELDS[:12])
    assert first | {"PATIENT_ID": "", "AGE": ""} == dict.fromkeys(first, "") | {
        "COUNTRY_A": "VNM", "LABORATORY": "12104", "INSTITUT": "12104", "SEX": "f", "DATE_BIRTH": "1986-03-01",
        "SPEC_NUM": tube.number, "SPEC_DATE": today, "SPEC_TYPE": "ur", "ISOL_NUM": "1", "ORGANISM": "eco",
        "ORG_TYPE": "-", "ESBL": "-", "CTX_ED5": "19", "AMP_ED10": "10",
    }  # fmt: skip
    assert first["PATIENT_ID"] == world.encounter.subject.reference.removeprefix("Patient/")
    assert (second["SPEC_NUM"], second["ORGANISM"], second["VAN_EM"], second["INDUC_CLI"], second["COMMENT"]) == (
        other.number, "sau", "<=1", "+", "ổ áp xe",
    )  # fmt: skip
    path = tmp_path / "w.sqlite"
    path.write_bytes(wire_whonet.as_sqlite(found))
    database = sqlite3.connect(path)
    kept = database.execute("SELECT ROW_IDX, ORGANISM, SEX, CTX_ED5, VAN_EM FROM Isolates ORDER BY ROW_IDX").fetchall()
    database.close()
    assert kept == [(1, "eco", "f", "19", ""), (2, "sau", "m", "", "<=1")]


def test_names_of_people_do_not_leave_the_house(world) -> None:
    grown(world, world.encounter, coli("19"))
    assert "Pâng" not in wire_whonet.as_text(wire_whonet.rows(world.lab, "12104", *period())).decode()
