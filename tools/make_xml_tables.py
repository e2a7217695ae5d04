"""Makes the descriptions of the insurance XML tables from the field lists of the decisions.

    python tools/make_xml_tables.py SPECS/bhyt src/tuetinh/care/insurance/data

SPECS/bhyt holds `fields.csv` (one row a field of a decision: order, type, length, required, rule). What the rule column
says in words is read into data here, once; the program knows no field by name.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

DECISIONS = ("4750", "3176")
# CV 1245/BHXH-CNTT: outer element, list element, row element of the document of each table.
ROOTS = {
    "XML1": ["TONG_HOP"],
    "XML2": ["CHITIEU_CHITIET_THUOC", "DSACH_CHI_TIET_THUOC", "CHI_TIET_THUOC"],
    "XML3": ["CHITIEU_CHITIET_DVKT_VTYT", "DSACH_CHI_TIET_DVKT", "CHI_TIET_DVKT"],
    "XML4": ["CHITIEU_CHITIET_DICHVUCANLAMSANG", "DSACH_CHI_TIET_CLS", "CHI_TIET_CLS"],
    "XML5": ["CHITIEU_CHITIET_DIENBIENLAMSANG", "DSACH_CHI_TIET_DIEN_BIEN_BENH", "CHI_TIET_DIEN_BIEN_BENH"],
}
# Conditions of the rule column that are words, not grammar.
READINGS: dict[tuple[str, str], list[list[Any]]] = {
    ("XML2", "SO_DANG_KY"): [
        ["MA_NHOM", "in", ["4"]],
        ["MA_THUOC", "not_in", ["40.17", "40.573"]],
        ["MA_PP_CHEBIEN", "blank"],
    ],
    ("XML2", "MA_THUOC"): [["PHAM_VI", "in", ["1", "3"]]],
    ("XML3", "MA_VAT_TU"): [["MA_DICH_VU", "blank"]],
}
# Flagged as conditional, but nothing in the tables tells when.
UNTOLD = {("XML1", "DU_PHONG"), ("XML2", "MA_DICH_VU"), ("XML2", "NGAY_TH_YL")}
# Required by the workbook while the explanation allows a blank.
ALLOWED_BLANK = {("XML3", "MA_BENH"), ("XML1", "MAXA_CU_TRU")}
LISTS = {
    "MA_DOITUONG_KCB": [["", "MA_DOITUONG_KCB_824"], ["2025-01-01", "MA_DOITUONG_KCB_3276"]],
    "MA_LOAI_KCB": [["", "MA_LOAI_KCB_824"], ["2026-08-01", "MA_LOAI_KCB_1804"]],
}
PATTERNS = {
    "MA_THE_BHYT": "[A-Z]{2}[1-5][0-9]{12}",
    "MA_GIUONG": "[HTCK][0-9]{3}",
    "MA_CSKCB": "[0-9A-Z]{5}",
    "MA_DKBD": "[0-9A-Z]{5}",
}


def main(specs: str, out: str) -> None:
    """Write one `xml_DECISION.json` for each decision."""
    with (Path(specs) / "fields.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    for decision in DECISIONS:
        tables = {}
        for name, root in ROOTS.items():
            mine = [row for row in rows if row["decision"] == decision and row["table"] == name]
            mine.sort(key=lambda row: int(row["order"]))
            tables[name] = {"root": root, "fields": [field(name, row) for row in mine]}
        text = json.dumps({"decision": decision, "tables": tables}, ensure_ascii=False, indent=1)
        text = re.sub(r"\n {5,}|\n {4}(?=\})", " ", text)  # a field a line: changes of a decision show in a diff
        (Path(out) / f"xml_{decision}.json").write_text(text + "\n", encoding="utf-8")


def field(table: str, row: dict[str, str]) -> dict[str, Any]:
    """Describe one field; what is not said is left out."""
    name, rule = row["field"], row["rule"]
    key = (table, name)
    found: dict[str, Any] = {"name": name, "type": row["type"], "label": row["meaning_vi"]}
    if row["maxlen"] != "n":
        found["length"] = [["", int(row["maxlen"])]]
        if widened := re.search(r"QD 1931/2026: (\d) chars", rule):
            found["length"].append(["2026-07-01", int(widened[1])])
    found |= _required(key, row)
    for token in ("fmt", "codelist", "multi", "dec"):
        if match := re.search(rf"\b{token}=(\S+)", rule):
            found[{"fmt": "format", "codelist": "codes", "multi": "separator", "dec": "decimals"}[token]] = match[1]
    if "decimals" in found:
        found["decimals"] = int(found["decimals"])
    if "codes" in found:
        found["codes"] = LISTS.get(name, [["", found["codes"]]])
    if most := re.search(r"max (\d+) codes", rule):
        found["most"] = int(most[1])
    if beside := re.search(r"parallel to (\w+)", rule):
        found["beside"] = beside[1]
    if name in PATTERNS:
        found["pattern"] = PATTERNS[name]
    if name == "NGAY_SINH":  # unknown month, day or time is written as zeros
        found["format"] = "birth"
    if expression := _formula(table, name, rule):
        found["formula"] = expression
    return found


def _required(key: tuple[str, str], row: dict[str, str]) -> dict[str, Any]:
    if key in READINGS:
        return {"required_if": READINGS[key]}
    if key in UNTOLD or key in ALLOWED_BLANK:
        return {}
    if row["field"] == "MAHUYEN_CU_TRU":  # there is no district since 01/07/2025
        return {"required_until": "2025-06-30"}
    if row["required"] == "Y":
        return {"required": True}
    if row["required"] == "C":
        conditions = _conditions(row["rule"])
        return {"required_if": conditions} if conditions else {"required": True}
    return {}


def _conditions(rule: str) -> list[list[Any]]:
    match = re.search(r"req_if: ([^|]+)", rule)
    text = match[1].strip() if match else ""
    if found := re.match(r"(\w+) (present|blank)\b", text):
        return [[found[1], found[2]]]
    if found := re.match(r"(\w+) (not )?in \(([\d,]+)\)", text):
        return [[found[1], "not_in" if found[2] else "in", found[3].split(",")]]
    if found := re.match(r"(\w+)=(\d+)", text):
        return [[found[1], "in", [found[2]]]]
    return []


def _formula(table: str, name: str, rule: str) -> dict[str, Any] | None:
    """Read `formula:` into a sum over rows, or an expression over the fields of the row."""
    match = re.search(r"formula: ([^|]+)", rule)
    if not match:
        return None
    text = match[1].strip()
    if total := re.match(r"sum (XML\d)(?:\+(XML\d))?[. ](\w+)(?: where (.+))?", text):
        where = {"MA_PTTT=1": [["MA_PTTT", "in", ["1"]]]}.get(total[4] or "")
        if (total[4] or "").startswith("MA_VAT_TU present"):
            where = [["MA_VAT_TU", "present"]]
        return {"sum": total[3], "of": [t for t in (total[1], total[2]) if t]} | ({"where": where} if where else {})
    if text.startswith("date("):
        return {"days": ["NGAY_VAO", "NGAY_RA"], "where": [["MA_LOAI_KCB", "in", ["01", "03", "04", "06"]]]}
    if text == "NSNN+VTNN+VTTN+CL":
        return {"is": "+".join(f"T_NGUONKHAC_{part}" for part in text.split("+"))}
    if name in ("T_BNTT", "T_BNCCT", "T_BHTT") and "T_NGUONKHAC" in text:
        return {"share": name}  # the three are told together: other sources are taken from them in turn
    if name == "THANH_TIEN_BV" and table == "XML3":
        return {
            "any": [
                "SO_LUONG*DON_GIA_BV*TYLE_TT_DV/100",
                "SO_LUONG*DON_GIA_BV-SO_LUONG*DON_GIA_BH*(100-TYLE_TT_DV)/100",
            ]
        }
    return {"is": text.replace(" ", "")}


if __name__ == "__main__":
    main(*sys.argv[1:])
