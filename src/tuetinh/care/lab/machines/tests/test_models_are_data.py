"""A machine's model is a description; each one is sound, and means what it says."""

from __future__ import annotations

import gc
import weakref
from decimal import Decimal

import pytest
from django.utils import translation

from tuetinh.care.lab import units
from tuetinh.care.lab.catalogue import analytes
from tuetinh.care.lab.machines.analysers import Meaning
from tuetinh.care.lab.machines.drivers import FOLDER, Histogram, drivers, read, recognise
from tuetinh.care.lab.machines.matching import possible_of
from tuetinh.care.lab.machines.messages import Code, Result
from tuetinh.care.lab.machines.simulator import results
from tuetinh.care.lab.machines.wire_files import File
from tuetinh.care.lab.machines.wire_files import read as read_file
from tuetinh.care.lab.machines.wire_hl7v2 import read as read_hl7v2
from tuetinh.care.lab.machines.wire_lis2 import read as read_lis2
from tuetinh.care.lab.results.book import delivered
from tuetinh.care.lab.results.rules import Critical, Normal
from tuetinh.care.lab.words import CURVES


@pytest.mark.parametrize("key", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_a_description_is_sound(key: str) -> None:
    driver = read(FOLDER / f"{key}.json")
    assert driver.description.source
    for code, known in driver.codes.items():
        if not known.analyte:
            continue
        analyte = analytes()[known.analyte]
        meaning = Meaning(analyte, known.unit, known.factor)
        if analyte.numeric and known.unit:
            number, unit = meaning.number(Result(1, Code(code), number=Decimal(1), unit=known.unit))
            assert number is not None and unit == analyte.shown, code


def test_no_two_models_have_one_name() -> None:
    names = [(driver.name, driver.description.wire) for driver in drivers().values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("text", "wire", "key"),
    [
        ("XN-1000|", "lis2", "sysmex-xn"),
        ("XP-100^00-13", "lis2", "sysmex-xp"),
        ("MINDRAY BS-300|LAB", "hl7v2", "mindray-bs"),
        ("MINDRAY|BC-5380", "hl7v2", "mindray-bc"),
        ("MINDRAY|BS-360E", "hl7v2", "mindray-bs"),
        ("STAGO^START4^V1.0", "lis2", "stago-start4"),
        ("Architect|", "lis2", "abbott-architect"),
        ("ACCESS^575707", "lis2", "beckman-access2"),
        ("order_id,test_name,result_concentration", "file", "roche-integra-file"),
        ("bioMérieux mini VIDAS|", "text", "biomerieux-minividas"),
        ("TEST|", "lis2", None),
    ],
)
def test_a_model_is_known_by_its_name(text: str, wire: str, key: str | None) -> None:
    found = recognise(text, wire)  # type: ignore[arg-type]
    assert (found.key if found else None) == key


class Text(str):
    """One that can be watched going away."""


def test_a_text_is_recognised_and_not_remembered() -> None:
    text = Text("24/07/26 09:15 ID# 77\n" + "GLU 5.4\n" * 10_000)
    found, watched = recognise(text, "text"), weakref.ref(text)
    assert found
    assert found.key == "arkray-spotchem"
    del text
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("form", [form for one in drivers().values() for form in one.description.histograms])
def test_a_curve_has_an_english_title(form: Histogram) -> None:
    assert form.title in CURVES
    with translation.override("en"):
        assert translation.gettext(form.title) != form.title


@pytest.mark.parametrize(
    ("key", "analyte", "sent", "ours"),
    [
        ("mindray-bs", "CREA", "1.0", "88.4"),
        ("sysmex-xn", "HGB", "14.2", "142"),
        ("sysmex-xs-file", "WBC", "806", "8.06"),
        ("roche-c311", "ALT", "22.4", "22.4"),
        ("beckman-au", "NA", "140", "140"),
        ("beckman-au", "GLU", "98", "5.44"),
        ("beckman-au", "CREA", "1.05", "92.82"),
    ],
)
def test_a_number_is_brought_to_our_unit(key: str, analyte: str, sent: str, ours: str) -> None:
    driver = drivers()[key]
    known = driver.codes[driver.machine_code(analyte)]
    meaning = Meaning(analytes()[analyte], known.unit, known.factor)
    assert meaning.number(Result(1, Code(), number=Decimal(sent)))[0] == Decimal(ours)


def test_a_result_and_a_question_of_an_access_2_are_read() -> None:
    header = r"H|\^&|||ACCESS^575707|||||LIS||P|1|20250701185020"
    lines = [header, "P|1|", "O|1|2025105867|^1316^1|^^^HCG5|||||Serum|||||II^1||||||||||F"]
    told = read_lis2(
        "\r".join([*lines, "R|1|^^^HCG5^1|131|mIU/mL|0 to 5^normal|H|N|F||||20250701184502|575707", "L|1|F\r"]).encode()
    )
    [order] = told.orders
    assert (told.header.serial, order.keys[0], order.results[0].code.code) == ("575707", "2025105867", "HCG5")
    assert drivers()["beckman-access2"].codes["HCG5"].analyte == "HCG"
    asked = read_lis2("\r".join([header, "Q|1|^1200013589||ALL||||||||O", "L|1|F\r"]).encode())
    assert [query.keys for query in asked.queries] == [("1200013589",)]


def test_a_genexpert_tells_the_bacterium_and_its_resistance_apart() -> None:
    header = r"H|@^\|||ICU^GeneXpert^4.6|||||LIS||P|1394-97|20261121"
    told = [
        "P|1", "O|1|2611291210400001||^^^MTB-RIF|R||||||||||SPT",
        "R|1|^MTB-RIF^^MTB^Xpert MTB-RIF^5^MTB^|MTB DETECTED LOW^|||||F", "R|2|^MTB-RIF^^^^^Probe D^Ct|^24.1|||||F",
        "R|3|^MTB-RIF^^Rif Resistance^Xpert MTB-RIF^5^^|NOT DETECTED^|||||F", "L|1|N",
    ]  # fmt: skip
    [order] = read_lis2("\r".join([header, *told, ""]).encode()).orders
    codes = drivers()["cepheid-genexpert"].codes
    found = [(codes[r.code.code].analyte, r.text) for r in order.results if codes[r.code.code].analyte]
    assert found == [("MTBX", "Dương tính, thấp"), ("MTBRIF", "Âm tính")]


def test_an_export_of_an_integra_is_read() -> None:
    sheet = (
        b"order_id,test_name,result_concentration\n2611291210400001,ALTL,41.2\n2611291210400001,NA,140\nPNU12,ALTL,40\n"
    )
    patient, control = read_file(File("integra.csv", sheet)).orders
    assert [(r.code.code, r.text) for r in patient.results] == [("ALTL", "41.2"), ("NA", "140")]
    assert (patient.keys, patient.control, control.control) == (["2611291210400001"], "", "PNU12")


def test_a_unit_that_was_not_sent_is_only_supposed_where_the_model_is_sure() -> None:
    silent = Result(1, Code(), number=Decimal("5.4"))
    glucose = analytes()["GLU"]
    assert Meaning(glucose, "mg/dL", sure=False).number(silent) == (Decimal("5.4"), "mmol/L")
    assert Meaning(analytes()["CREA"], "mg/dL", Decimal("88.4"), sure=False).number(silent)[0] == Decimal("5.4")


def test_a_milliequivalent_is_a_millimole_only_of_what_has_one_charge() -> None:
    assert units.same("mEq/L", analytes()["NA"])
    for unit in ("mEq/L", "meq/L", "eq/L"):
        assert not units.same(unit, analytes()["CA"])
        assert units.to_ours(Decimal("4.8"), unit, analytes()["CA"]) is None


@pytest.mark.parametrize(("sent", "ours"), [("48", "6.5"), ("53", "7.0"), ("31", "5.0")])
def test_haemoglobin_a1c_by_ifcc_is_another_scale_and_no_ratio(sent: str, ours: str) -> None:
    assert units.to_ours(Decimal(sent), "mmol/mol", analytes()["HBA1C"]) == Decimal(ours)


@pytest.mark.parametrize(
    ("key", "unit", "sent", "ours"),
    [
        ("WBC", "10³/µL", "6.2", "6.2"),
        ("WBC", "×10⁹/L", "6.2", "6.2"),
        ("RBC", "10¹²/L", "4.7", "4.7"),
        ("WBC", "x10^3/mm3", "6.2", "6.2"),
        ("HCT", "L/L", "0.41", "41"),
        ("TSH", "mU/L", "2.1", "2.1"),
        ("HCG", "IU/L", "131", "131"),
        ("ESR", "mm/hr", "12", "12"),
        ("FIB", "mg/dL", "320", "3.2"),
        ("HIVVL", "copies/mL", "1500", "1500"),
        ("HBVVL", "IU/mL", "15000", "15000"),
        ("GLU", "mg/dL", "98", None),
        ("HGB", "mmol/L", "8.5", None),
    ],
)
def test_units_as_machines_write_them(key: str, unit: str, sent: str, ours: str | None) -> None:
    assert units.to_ours(Decimal(sent), unit, analytes()[key]) == (ours and Decimal(ours))


def test_what_is_normal_is_possible() -> None:
    limits = [rule for rule in delivered() if isinstance(rule, Normal | Critical)]
    asked = [(rule, possible) for rule in limits if (possible := possible_of(rule.analyte))]
    assert len({rule.analyte for rule, _ in asked}) > 50
    for rule, possible in asked:
        ends = [end for end in (rule.low, rule.high) if end]  # 0: no limit
        assert [possible.where(end) for end in ends] == ["N"] * len(ends), rule.code


@pytest.mark.parametrize("key", [k for k, d in drivers().items() if d.description.wire == "file"])
def test_the_simulator_leaves_a_file_as_the_model_does(key: str) -> None:
    driver = drivers()[key]
    measured = list(dict.fromkeys(known.analyte for known in driver.codes.values() if known.analyte))[:2]
    if not measured:
        pytest.skip("none of its codes is ours: they are taught")
    if driver.description.table and driver.description.table.row:
        with pytest.raises(LookupError, match="XML"):
            results(driver, "1", dict.fromkeys(measured, "5"), 7)
        return
    payload = results(driver, "2611291210400001", dict.fromkeys(measured, "5"), 7)
    [order] = read_file(File(f"{driver.name} 1.csv", payload), driver).orders
    told = [(r.code.code, r.number) for r in order.results]
    assert (order.keys, order.control) == (["2611291210400001"], "")
    assert told == [(driver.machine_code(key), Decimal(5)) for key in measured]


@pytest.mark.parametrize("key", [k for k, d in drivers().items() if d.description.wire in ("lis2", "hl7v2")])
def test_the_simulator_speaks_as_the_model_does(key: str) -> None:
    driver = drivers()[key]
    assert recognise(f"{driver.sender}|SIM", driver.description.wire) is driver
    analyte = next((known.analyte for known in driver.codes.values() if known.analyte), "")
    if not analyte:
        pytest.skip("none of its codes is ours: they are taught")
    message = results(driver, "T1", {analyte: "5"}, 7)
    found = read_lis2(message, driver) if driver.description.wire == "lis2" else read_hl7v2(message, driver)
    [order] = [o for o in found.orders if o.results]
    assert (order.keys[0], order.control, order.results[0].code.code) == ("T1", "", driver.machine_code(analyte))
    control = results(driver, "T1", {analyte: "5"}, 7, control=True)
    again = read_lis2(control, driver) if driver.description.wire == "lis2" else read_hl7v2(control, driver)
    assert [o.control for o in again.orders if o.results] == ["T1"]
