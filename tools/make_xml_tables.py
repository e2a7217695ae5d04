"""Makes the descriptions of the insurance XML tables from the field lists of the decisions.

    python tools/make_xml_tables.py SPECS/bhyt src/tuetinh/care/insurance/data

SPECS/bhyt holds `fields.csv` (one row a field of a decision: order, type, length, required, rule) and `codes.csv`. What
the rule column says in words is read into data here, once; the program knows no field by name.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

DECISIONS = ("4210", "130", "4750", "3176")
# CV 1245/BHXH-CNTT: outer element, list element, row element of the document of each table.
ROOTS = {
    "XML0": ["CHI_TIEU_TRANG_THAI_KCB", "DSACH_TRANG_THAI_KCB", "TRANG_THAI_KCB"],
    "XML1": ["TONG_HOP"],
    "XML2": ["CHITIEU_CHITIET_THUOC", "DSACH_CHI_TIET_THUOC", "CHI_TIET_THUOC"],
    "XML3": ["CHITIEU_CHITIET_DVKT_VTYT", "DSACH_CHI_TIET_DVKT", "CHI_TIET_DVKT"],
    "XML4": ["CHITIEU_CHITIET_DICHVUCANLAMSANG", "DSACH_CHI_TIET_CLS", "CHI_TIET_CLS"],
    "XML5": ["CHITIEU_CHITIET_DIENBIENLAMSANG", "DSACH_CHI_TIET_DIEN_BIEN_BENH", "CHI_TIET_DIEN_BIEN_BENH"],
    "XML6": [
        "CHI_TIEU_HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS",
        "DSACH_HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS",
        "HO_SO_BENH_AN_CHAM_SOC_VA_DIEU_TRI_HIV_AIDS",
    ],
    "XML7": ["CHI_TIEU_DU_LIEU_GIAY_RA_VIEN"],
    "XML8": ["CHI_TIEU_DU_LIEU_TOM_TAT_HO_SO_BENH_AN"],
    "XML9": ["CHI_TIEU_DU_LIEU_GIAY_CHUNG_SINH", "DSACH_GIAYCHUNGSINH", "DU_LIEU_GIAY_CHUNG_SINH"],
    "XML10": ["CHI_TIEU_DU_LIEU_GIAY_NGHI_DUONG_THAI"],
    "XML11": ["CHI_TIEU_DU_LIEU_GIAY_CHUNG_NHAN_NGHI_VIEC_HUONG_BAO_HIEM_XA_HOI"],
    "XML12": ["CHI_TIEU_DU_LIEU_GIAM_DINH_Y_KHOA"],  # of our making: no official name is known, it is keyed by hand
    "XML13": ["CHI_TIEU_GIAYCHUYENTUYEN"],
    "XML14": ["CHI_TIEU_GIAYHEN_KHAMLAI"],
    "XML15": ["CHI_TIEU_DIEUTRI_BENHLAO", "DSACH_CHITIET_DIEUTRI_BENHLAO", "CHITIET_DIEUTRI_BENHLAO"],
}
ROOTS_4210 = {
    "XML1": ["TONG_HOP"],
    "XML2": ["DSACH_CHI_TIET_THUOC", "CHI_TIET_THUOC"],
    "XML3": ["DSACH_CHI_TIET_DVKT", "CHI_TIET_DVKT"],
    "XML4": ["DSACH_CHI_TIET_CLS", "CHI_TIET_CLS"],
    "XML5": ["DSACH_CHI_TIET_DIEN_BIEN_BENH", "CHI_TIET_DIEN_BIEN_BENH"],
}
APART = {"XML0", "XML12"}  # not in the envelope: a call of its own, and keyed on the portal
# What must not come before what: the gateway's checks before sending; the rule column names more of them.
ORDER = {
    "NGAY_RA": ["NGAY_VAO"],
    "NGAY_VAO_NOI_TRU": ["NGAY_VAO"],
    "NGAY_TTOAN": ["NGAY_VAO"],
    "NGAY_YL": ["NGAY_VAO"],
    "GT_THE_DEN": ["GT_THE_TU"],
    "NGAY_TH_YL": ["NGAY_YL"],
    "NGAY_KQ": ["NGAY_YL", "NGAY_TH_YL"],
}
# Conditions of the rule column that are words, not grammar.
READINGS: dict[tuple[str, str], list[list[Any]]] = {
    ("XML2", "SO_DANG_KY"): [
        ["MA_NHOM", "in", ["4"]],
        ["MA_THUOC", "not_in", ["40.17", "40.573"]],
        ["MA_PP_CHEBIEN", "blank"],
    ],
    ("XML2", "HAM_LUONG"): [
        ["MA_NHOM", "not_in", ["7", "17"]],
        ["MA_THUOC", "not_in", ["40.17", "40.573"]],
        ["MA_PP_CHEBIEN", "blank"],
    ],
    ("XML2", "MA_THUOC"): [["PHAM_VI", "in", ["1", "3"]]],
    ("XML3", "MA_VAT_TU"): [["MA_DICH_VU", "blank"]],
    ("XML6", "MA_BAC_PHAC_DO_BD"): [["MA_PHAC_DO_DIEU_TRI_BD", "in", ["KHAC"]]],
    # a change of regimen has its day and its reason
    ("XML6", "NGAY_CHUYEN_PHAC_DO"): [["LY_DO_CHUYEN_PHAC_DO", "present"]],
    ("XML6", "LY_DO_CHUYEN_PHAC_DO"): [["NGAY_CHUYEN_PHAC_DO", "present"]],
    # of the three that say how long one stays at home, each asks for the next
    ("XML7", "SO_NGAY_NGHI"): [["NGOAITRU_TUNGAY", "present"]],
    ("XML7", "NGOAITRU_TUNGAY"): [["NGOAITRU_DENNGAY", "present"]],
    ("XML7", "NGOAITRU_DENNGAY"): [["SO_NGAY_NGHI", "present"]],
}
# QĐ 4210 has the same conditions, which its field list does not write.
READINGS_4210: dict[tuple[str, str], list[list[Any]]] = {
    ("XML3", "MA_DICH_VU"): [["MA_VAT_TU", "blank"]],
    ("XML3", "MA_VAT_TU"): [["MA_DICH_VU", "blank"]],
    ("XML3", "TEN_DICH_VU"): [["MA_DICH_VU", "present"]],
    ("XML3", "TEN_VAT_TU"): [["MA_VAT_TU", "present"]],
}
# Flagged as conditional or required, but nothing in the tables tells when.
UNTOLD = {
    *(
        (table, name)
        for table, names in {
            "XML1": "DU_PHONG",
            "XML2": "MA_DICH_VU NGAY_TH_YL",
            "XML6": "NGAYKT_DTRI_LAO",
            "XML9": "GHI_CHU",
            "XML12": "TONG_TYLE_TTCT",
            "XML15": "BDDT_ARV NGAY_BAT_DAU_DT_CTX",
        }.items()
        for name in names.split()
    ),
}
UNTOLD_4210 = {
    *(
        (table, name)
        for table, names in {
            "XML1": "MA_NOI_CHUYEN CAN_NANG",
            "XML2": "HAM_LUONG SO_DANG_KY TT_THAU",
            "XML3": "TT_THAU MA_GIUONG NGAY_KQ",
            "XML4": "MA_CHI_SO TEN_CHI_SO GIA_TRI MA_MAY MO_TA KET_LUAN",
        }.items()
        for name in names.split()
    ),
}
# Required by the workbook while the explanation allows a blank: that of the commune since QĐ 3176.
ALLOWED_BLANK = {("XML3", "MA_BENH")}
ALLOWED_BLANK_3176 = {("XML1", "MAXA_CU_TRU")}
# Lists that later decisions have replaced.
LISTS = {
    "MA_DOITUONG_KCB_824": [["", "MA_DOITUONG_KCB_824"], ["2025-01-01", "MA_DOITUONG_KCB_3276"]],
    "MA_LOAI_KCB_824": [["", "MA_LOAI_KCB_824"], ["2026-08-01", "MA_LOAI_KCB_1804"]],
}
PERCENT = "100|[1-9]?[0-9]"
CARD = "[A-Z]{2}[1-5][0-9]{12}"
# How values look, by what the name and the rule of a field say.
PATTERNS = {
    r"^MA_THE_BHYT |^MA_THE ": f"{CARD}(;{CARD})*",
    r"^MA_THE_TAM ": CARD,
    r"^SO_DANG_KY .*no spaces": r"\S+",
    r"^GOI_VTYT ": "G[1-9][0-9]?",
    r"^MA_CSKCB_THUOC .*\bHC\.X": r"(C|K|M|HC)\.[0-9A-Z]{5}",
    r"^MA_CSKCB_THUOC .*\bH\.X": r"[CKMH]\.[0-9A-Z]{5}",
    r"^MA_CSKCB_THUOC ": r"[CKM]\.[0-9A-Z]{5}",
    r"CT07 ": "CT07",
    r"^MA_GIUONG ": "[HTCK][0-9]{3}",
    r"^MA_CSKCB |^MA_DKBD |5-char facility code": "[0-9A-Z]{5}",
    r"10 digits, not all zero": "(?!0{10})[0-9]{10}",
    r"\b[01]=[\w ]+, [01]=": "[01]",
    r"1\.\.42 weeks": "[1-9]|[1-3][0-9]|4[0-2]",
    r"^MA_KQ_XN_PCR ": "[01]",
    r"\b1 or blank": "1",
    r"^PHAM_VI ": "[123]",
    r"^TYLE_TT_(BH|DV) ": PERCENT,
    r"^MUC_HUONG ": rf"({PERCENT})(\.[0-9]+)?",
    r"GSO 54 ethnic list": "0[1-9]|[1-4][0-9]|5[0-6]",  # 55 foreigners, 56 unknown
    r"^MA(TINH|HUYEN|XA)_CU_TRU |^MA_NGHE_NGHIEP ": "[0-9]{2,5}",
    r"^CAN_NANG .*2 decimals": r"[0-9]{1,3}(\.[0-9]{1,2})?",
    r"^CAN_NANG_CON ": r"[0-9]{2,5}(\.[0-9]{1,2})?",
    r"^NAM_QT ": "20[0-9]{2}",
    r"^THANG_QT ": "0?[1-9]|1[0-2]",
    r"^MA_MAY .*MA_MAY_NHOM": r"(GROUPS)\.[1-3](\[[^\]]*\])?\..+",  # group.source.serial: two lists in one value
}


def main(specs: str, out: str) -> None:
    """Write one `xml_DECISION.json` for each decision."""
    with (Path(specs) / "fields.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    with (Path(specs) / "codes.csv").open(encoding="utf-8", newline="") as lines:
        groups = "|".join(row["code"] for row in csv.DictReader(lines) if row["codelist"] == "MA_MAY_NHOM")
    for decision in DECISIONS:
        tables = {}
        for name, root in (ROOTS_4210 if decision == "4210" else ROOTS).items():
            mine = [row for row in rows if row["decision"] == decision and row["table"] == name]
            if mine:
                apart = {"apart": True} if name in APART else {}
                tables[name] = {"root": root} | apart | {"fields": described(name, mine)}
        text = json.dumps({"decision": decision, "tables": tables}, ensure_ascii=False, indent=1)
        text = text.replace("GROUPS", groups)
        text = re.sub(r"\n {5,}|\n {4}(?=\})", " ", text)  # a field a line: changes of a decision show in a diff
        (Path(out) / f"xml_{decision}.json").write_text(text + "\n", encoding="utf-8")


def described(table: str, rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Describe the fields of a table in their order."""
    names = {row["field"] for row in rows}
    return [field(table, row, names) for row in sorted(rows, key=lambda row: int(row["order"]))]


def field(table: str, row: dict[str, str], names: set[str]) -> dict[str, Any]:
    """Describe one field; what is not said is left out. names: of all fields of the table."""
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
    if days := re.search(r"fmt=(\w+) or (\w+)", rule):
        found["format"] = f"{days[1]}|{days[2]}"
    if name == "NGAY_MIEN_CCT" and "yyyymmddHHMM" in rule:  # the day of a paper, the minute when there is none yet
        found["format"] = "yyyymmdd|yyyymmddHHMM"
    if "decimals" in found:
        found["decimals"] = int(found["decimals"])
    if name == "MA_MAY":
        found.pop("codes", None)
    if "codes" in found:
        found["codes"] = LISTS.get(found["codes"], [["", found["codes"]]])
    if most := re.search(r"max (\d+) codes", rule):
        found["most"] = int(most[1])
    if beside := re.search(r"parallel to (\w+)", rule):
        found["beside"] = beside[1]
    if pattern := next((pattern for told, pattern in PATTERNS.items() if re.search(told, f"{name} {rule}")), None):
        found["pattern"] = pattern
    if found.get("length") == [["", 12]] and name == "NGAY_SINH":  # unknown month, day or time is written as zeros
        found["format"] = "birth"
    if table == "XML10" and name == "SO_NGAY":  # the annex counts one end, facilities count both
        found["formula"] = {"days": ["TU_NGAY", "DEN_NGAY"], "ends": [0, 1]}
    if same := re.search(r"same_as=(?:XML1\.)?(\w+)", rule):
        found["same"] = same[1]
    earlier = [*ORDER.get(name, ()), *re.findall(r">= (\w+)", rule)]
    if earlier := [one for one in dict.fromkeys(earlier) if one in names]:
        found["not_before"] = earlier
    if (day := re.search(r"> date\((\w+)\)", rule)) and day[1] in names and name != "SO_NGAY_DTRI":
        found["after"] = day[1]
    if expression := _formula(table, name, rule):
        found["formula"] = expression
        if "share" in expression and row["decision"] != "3176":  # which aid it was, no field tells
            found["formula"] |= {"aid": ["person", "facility", "arv"]}
    return found


def _required(key: tuple[str, str], row: dict[str, str]) -> dict[str, Any]:
    if key in UNTOLD_4210 and row["decision"] == "4210":
        return {}
    readings = READINGS_4210 if row["decision"] == "4210" else READINGS
    if key in readings:
        return {"required_if": readings[key]}
    allowed = ALLOWED_BLANK | ALLOWED_BLANK_3176 if row["decision"] == "3176" else ALLOWED_BLANK
    if key in UNTOLD or key in allowed:
        return {}
    if row["field"] == "MAHUYEN_CU_TRU":  # there is no district since 01/07/2025
        return {"required_until": "2025-06-30"}
    if re.fullmatch(r"T_NGUONKHAC_\w+", row["field"]):  # where nothing came from others, no source need be named
        return {"required_if": [["T_NGUONKHAC", "not_in", ["", "0", "0.00"]]]}
    if row["required"] == "Y":
        return {"required": True}
    if row["required"] == "C":
        conditions = _conditions(row["rule"])
        return {"required_if": conditions} if conditions else {"required": True}
    return {}


def _conditions(rule: str) -> list[list[Any]]:
    match = re.search(r"req_if: ([^|]+)", rule)
    text = match[1].strip() if match else ""
    if found := re.match(r"(\w+) and (\w+) (present|blank)\b", text):
        return [[found[1], found[3]], [found[2], found[3]]]
    if found := re.match(r"(\w+) (present|blank)\b", text):
        return [[found[1], found[2]]]
    if found := re.match(r"(\w+) (not )?in \(([\d,]+)\)", text):
        return [[found[1], "not_in" if found[2] else "in", found[3].split(",")]]
    if found := re.match(r"(\w+)(<>| has |=)(\w+)", text):
        return [[found[1], "not_in" if found[2] == "<>" else "in", [found[3]]]]
    return []


def _formula(table: str, name: str, rule: str) -> dict[str, Any] | None:
    """Read `formula:` into a sum over rows, or an expression over the fields of the row."""
    if "-> date(NGAY_RA)-date(NGAY_VAO)+1" in rule:  # QĐ 130 and 4750; of others only the kind of their days is told
        kinds = ["02", "03", "04", "06"]
        return {"days": ["NGAY_VAO", "NGAY_RA"], "ends": [1], "where": [["MA_LOAI_KCB", "in", kinds]]}
    match = re.search(r"formula: ([^|]+)", rule)
    if not match:
        return None
    text = match[1].strip()
    if text == "sum lines":
        return {"sum": name, "of": ["XML2", "XML3"]}
    if old := re.match(r"sum (\w+) XML2\+XML3$", text):
        return {"sum": old[1], "of": ["XML2", "XML3"]}
    if "less other sources" in text:
        paid = text.split()[0]
        return {"any": [paid, f"{paid}-T_NGUONKHAC"]}
    if total := re.match(r"sum (XML\d)(?:\+(XML\d))?[. ](\w+)(?: where (.+))?", text):
        where = {"MA_PTTT=1": [["MA_PTTT", "in", ["1"]]]}.get(total[4] or "")
        if (total[4] or "").startswith("MA_VAT_TU present"):
            where = [["MA_VAT_TU", "present"]]
        found = {"sum": total[3], "of": [t for t in (total[1], total[2]) if t]} | ({"where": where} if where else {})
        return found | ({"or": ["0"]} if name == "T_BHTT_GDV" else {})  # who is not paid by head or case leaves it 0
    if text.startswith("date("):
        return {
            "days": ["NGAY_VAO", "NGAY_RA"],
            "ends": [1],
            "where": [["MA_LOAI_KCB", "in", ["01", "03", "04", "06"]]],
        }
    if text == "NSNN+VTNN+VTTN+CL":
        return {"is": "+".join(f"T_NGUONKHAC_{part}" for part in text.split("+"))}
    if name in ("T_BNTT", "T_BNCCT", "T_BHTT") and "T_NGUONKHAC" in text:
        return {"share": name}  # the three are told together: other sources are taken from them in turn
    if name == "THANH_TIEN_BV" and table == "XML3" and "TYLE_TT_DV" in text:
        return {
            "any": [
                "SO_LUONG*DON_GIA_BV*TYLE_TT_DV/100",
                "SO_LUONG*DON_GIA_BV-SO_LUONG*DON_GIA_BH*(100-TYLE_TT_DV)/100",
            ]
        }
    if name == "T_BHTT" and table == "XML1":  # which of both holds where others pay a part, nobody has said
        return {"sum": name, "of": ["XML2", "XML3"], "or": [text.replace(" ", "")]}
    return {"is": text.replace(" ", "")}


if __name__ == "__main__":
    main(*sys.argv[1:])
