"""What machines measure beside what was ordered: absolute counts, CD4; no model leaves something out for no reason."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from tuetinh.care.lab import actions, facts
from tuetinh.care.lab.catalogue import analytes, test
from tuetinh.care.lab.machines import analysers, drivers, inbox
from tuetinh.care.lab.machines.analysers import FOLDER
from tuetinh.care.lab.machines.reading import Arrival
from tuetinh.care.lab.models import Message, Tube
from tuetinh.care.lab.results import validation
from tuetinh.care.lab.results.book import in_force
from tuetinh.care.lab.results.judge import Judge, Person
from tuetinh.care.lab.results.work import work_on
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM

pytestmark = pytest.mark.django_db
CBC, CD4 = "22.0120.1370", "22.0342.1225"
PERCENT = {
    "WBC": "6.0", "RBC": "4.5", "HGB": "13.2", "HCT": "40", "MCV": "88", "MCH": "29", "MCHC": "33", "RDW-CV": "13",
    "PLT": "250", "NEUT%": "60", "LYMPH%": "30", "MONO%": "6", "EO%": "3", "BASO%": "1",
}  # fmt: skip
UNITS = {"WBC": "10*3/uL", "RBC": "10*6/uL", "HGB": "g/dL", "MCV": "fL", "MCH": "pg", "MCHC": "g/dL", "PLT": "10*3/uL"}
LEFT = {
    # flags of research and alarm, which the maker says are not to be reported
    *("ALY%", "ALY#", "LIC%", "LIC#", "*ALY#", "*ALY%", "*LIC#", "*LIC%", "LFR", "MFR", "HFR", "IPF", "HYPER-He"),
    *("HYPO-He", "MicroR", "MacroR", "OTHER#", "OTHER%", "WBC-C", "WBC-D", "P-LCC"),
    *("NEUT#&", "NEUT%&", "LYMPH#&", "LYMPH%&"),
    # mixed cells of three-part counts, for which no code is known to be right
    *("MXD%", "MXD#", "GRAN#", "GRAN%", "MID#", "MID%"),
    *("RET%", "RET#", "IRF"),  # of the XS, which has no such channel
    "MTB-RIF", "94745-7",  # the name of a panel, and a count of cycles
    "413", "CO2",  # an open channel; and no service that is billed
}  # fmt: skip


def tube_of(world, code: str) -> Tube:
    actions.order_tests(world.doctor, world.encounter, (code,), alone=True)
    return Tube.objects.latest("id")


def counted(number: str, values: dict[str, str]) -> Arrival:
    results = [f"R|{n}|^^^^{code}|{v}|{UNITS.get(code, '%')}||N||F" for n, (code, v) in enumerate(values.items(), 1)]
    absolute = [line.replace("|%|", "|10*3/uL|") if "#|" in line else line for line in results]
    lines = [r"H|\^&|||XN-1000^00-01|||||||P|LIS2-A2|20261121", "P|1", f"O|1||^^{number}^M|CBC", *absolute, "L|1|N"]
    return Arrival(("\r".join(lines) + "\r").encode(), wire="lis2")


def known(tube: Tube) -> dict[str, r4.Observation]:
    return {facts.key_of(one): one for one in work_on(SYSTEM, tube).results.values()}


def test_absolute_counts_are_results_of_their_own(world) -> None:
    tube = tube_of(world, CBC)
    inbox.take_many([counted(tube.number, PERCENT | {"NEUT#": "8.10", "LYMPH#": "1.80", "EO#": "0.18"})])
    assert Message.objects.get().state == "matched"
    found = known(tube)
    count = test(CBC)
    assert count and set(found) == {one.key for one in count.analytes} | {"NEUABS", "LYMABS", "EOSABS"}
    neutrophils = found["NEUABS"]
    assert neutrophils.valueQuantity and neutrophils.valueQuantity.code == "10*9/L"
    assert (facts.value_of(neutrophils), facts.unit_of(neutrophils)) == ("8.10", "G/L")
    assert (facts.flag_of(neutrophils), facts.range_of(neutrophils)) == ("H", "2 – 7,5")
    assert facts.value_of(found["NEU"]) == "60"
    assert [code.code for code in found["LYMABS"].code.coding or []][:1] == ["731-0"]


def test_a_count_is_whole_without_them(world) -> None:
    tube = tube_of(world, CBC)
    inbox.take_many([counted(tube.number, PERCENT)])
    validation.release(world.lab, tube.number)
    tube.refresh_from_db()
    assert tube.stage == "released"
    report = record.read(SYSTEM, "DiagnosticReport", f"{tube.orders[0]}-report")
    assert isinstance(report, r4.DiagnosticReport)
    assert (report.status, len(report.result or [])) == ("final", len(PERCENT))


def test_they_stand_in_the_report_and_are_signed_with_it(world) -> None:
    tube = tube_of(world, CBC)
    inbox.take_many([counted(tube.number, PERCENT | {"NEUT#": "3.60"})])
    validation.release(world.lab, tube.number)
    report = record.read(SYSTEM, "DiagnosticReport", f"{tube.orders[0]}-report")
    assert isinstance(report, r4.DiagnosticReport)
    assert f"Observation/{tube.orders[0]}-NEUABS" in [one.reference for one in report.result or []]
    assert known(tube)["NEUABS"].status == "final"


@pytest.mark.parametrize(
    ("key", "sex", "years", "low", "high"),
    [
        ("LYMABS", "female", 40, "1", "4"),
        ("LYMABS", "male", 8, "1.5", "7"),
        ("LYMABS", "male", 1, "3", "9.5"),
        ("NEUABS", "male", 0, "3", "26"),
        ("RDWSD", "female", 40, "36", "46"),
        ("RDWSD", "male", 40, "35", "44"),
        ("CD4", "female", 40, "500", "1500"),
        ("CD4", "male", 3, "1000", "3000"),
        ("CD4", "male", 0, "1500", "5000"),
    ],
)
def test_limits_go_by_age_and_sex(key: str, sex: str, years: int, low: str, high: str) -> None:
    normal = Judge(in_force(), Person(sex, int(years * 365.25) + 1), "2026-11-29").bounds(analytes()[key]).normal
    assert (normal.low, normal.high) == (Decimal(low), Decimal(high))


def test_a_cd4_of_a_pima_is_a_result(world, shared: Path) -> None:
    first, second = tube_of(world, CD4), tube_of(world, CD4)
    machine = analysers.save(world.lab, None, name="PIMA", application="", driver="alere-pima-file", folder="/pima")
    raw = (shared / "data/astm/instrument_file_exports/AssayID_2 (PIMA CD4).slk").read_bytes()
    for shown, tube in ((b"K10001", first), (b"K10002", second)):
        raw = re.sub(shown + rb"(?=[\r\n])", b'K"%s"' % tube.number.encode(), raw)
    assert first.number.encode() in raw
    inbox.take_many([Arrival(raw, f"{FOLDER}{machine.pk}", "file", "", "AssayID_2 (PIMA CD4).slk")])
    for tube, value, flag in ((first, "259", "L"), (second, "109", "L")):
        [cd4] = known(tube).values()
        assert cd4.valueQuantity and cd4.valueQuantity.code == "/uL"
        assert (facts.value_of(cd4), facts.flag_of(cd4)) == (value, flag)


def test_a_panel_of_cells_tells_both_and_their_ratio(world) -> None:
    tube = tube_of(world, CD4)
    said = [("CD4", "850", "cells/μL"), ("CD8", "450", "cells/μL"), ("CD4CD8", "1.89", "")]
    results = [f"R|{n}|^^^{code}^x|{value}|{unit}||N||F" for n, (code, value, unit) in enumerate(said, 1)]
    lines = [
        r"H|\^&|||Abbott^Architect^i2000|||||||LIS2-A2|20250115100000",
        "P|1",
        f"O|1|{tube.number}||^^^CD",
        *results,
    ]
    inbox.take_many([Arrival(("\r".join([*lines, "L|1|N"]) + "\r").encode(), wire="lis2")])
    assert Message.objects.get().state == "matched"
    assert {key: facts.value_of(one) for key, one in known(tube).items()} == {
        "CD4": "850", "CD8": "450", "CD4CD8": "1.89",
    }  # fmt: skip


def test_no_model_leaves_out_what_we_can_report() -> None:
    dropped = {code for one in drivers.drivers().values() for code, means in one.codes.items() if not means.analyte}
    assert dropped == LEFT
