"""An administrator changes, adds and tries rules, without a programmer; who did what stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from tuetinh.care.insurance.errors import NotAllowed
from tuetinh.care.insurance.models import ClaimCase, RuleChange, RuleOverride
from tuetinh.care.insurance.rules.admin_pages import TABLES
from tuetinh.care.insurance.rules.book import delivered, delivered_book, in_force
from tuetinh.care.insurance.rules.changes import change
from tuetinh.care.insurance.tables import decision
from tuetinh.record.asker import Asker

pytestmark = pytest.mark.django_db
RULE = {
    "code": "GLUCOSE-TWICE", "on": "on", "group": "services", "severity": "warn", "table": "XML3", "field": "SO_LUONG",
    "condition": 'MA_DICH_VU == "23.0075.1494" && DON_GIA_BV > 1', "vi": "Glucose {SO_LUONG} lần.", "en": "",
    "clause": "Quy định của cơ sở", "from_": "01/01/2026", "to": "", "when": ["order", "claim"], "why": "Họp 11/2026",
}  # fmt: skip


def test_a_new_rule_holds_at_once_for_the_own_facility(as_role: Callable[[str], Client]) -> None:
    answer = as_role("admin").post("/insurance/rules/new", RULE)
    assert (answer.status_code, answer["Location"]) == (302, "/insurance/rules/GLUCOSE-TWICE")
    kept = RuleChange.objects.get()
    assert (kept.code, kept.facility, kept.why) == ("GLUCOSE-TWICE", "12104", "Họp 11/2026")
    rule = in_force("12104").rules["GLUCOSE-TWICE"]
    assert (rule.when, rule.from_, rule.override, rule.on) == (("order", "claim"), "2026-01-01", (), True)
    assert in_force("12001") is delivered_book()
    assert len(in_force("12104").rules) == len(delivered()) + 1
    page = as_role("admin").get("/insurance/rules/GLUCOSE-TWICE").content.decode()
    assert page.count("data-change") == 1
    assert "Họp 11/2026" in page
    assert 'value="01/01/2026"' in page
    assert "01/01/2026 – …" in as_role("admin").get("/insurance/rules?q=glucose-twice").content.decode()
    assert as_role("admin").post("/insurance/rules/new", RULE).status_code == 422  # there is one of this code


def test_a_delivered_rule_is_switched_off_and_comes_back_with_its_history(as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    known = {rule.code: rule for rule in delivered()}["MACHINE"]
    told = {name: getattr(known, name) for name in known.__struct_fields__ if name != "on"} | {"why": "Chưa có mã máy"}
    assert admin.post("/insurance/rules/MACHINE", told).status_code == 302
    assert in_force("12104").rules["MACHINE"].on is False
    listed = admin.get("/insurance/rules?q=machine").content.decode()
    assert 'data-rule="MACHINE"' in listed
    assert "Đã tắt" in listed
    assert admin.post("/insurance/rules/MACHINE", told | {"on": "on", "why": "Đã có"}).status_code == 302
    assert in_force("12104").rules["MACHINE"] == known
    assert [change.why for change in RuleChange.objects.order_by("id")] == ["Chưa có mã máy", "Đã có"]


@pytest.mark.parametrize(
    "code", ["CHECKIN-NUMBER", "ARV-DAYS", "DISCHARGE-DAY", "BIRTH-NOTE", "LEAVE-LONG", "TB-HIV-ARV"]
)
def test_a_delivered_rule_of_a_paper_is_changed_as_any_other(as_role: Callable[[str], Client], code: str) -> None:
    known = {rule.code: rule for rule in delivered()}[code]
    admin, address = as_role("admin"), f"/insurance/rules/{code}"
    page = admin.get(address).content.decode()
    assert f'value="{known.table}" selected' in page
    assert f"Mọi trường của {known.table}," in page
    told = {name: getattr(known, name) for name in known.__struct_fields__} | {"severity": "hint", "why": "Thử"}
    told["from_"] = "/".join(reversed(known.from_.split("-")))
    assert admin.post(address, told).status_code == 302
    assert in_force("12104").rules[code].severity == "hint"


def test_rules_of_every_table_may_be_written() -> None:
    assert [table for table, _title in TABLES] == list(decision("3176").tables)


GONE = {"code": "MACHINE", "condition": 'co_ma("MA_NHOM_1", MA_NHOM)'}  # there is no such list


def kept(*contents: dict[str, Any]) -> None:
    """Rules that were kept when they could be asked."""
    whole = {"table": "XML3", "field": "SO_LUONG", "group": "services", "severity": "warn", "when": ["claim"],
             "vi": "x", "en": "x", "clause": "x"}  # fmt: skip
    for content in contents:
        RuleChange.objects.create(
            code=content["code"], facility="12104", content=whole | content, at=datetime.now(UTC), account="a", why="x"
        )


def test_a_kept_rule_that_asks_for_a_list_that_is_gone_does_not_hold(caplog: pytest.LogCaptureFixture) -> None:
    kept(GONE, GONE | {"code": "MINE", "on": False}, {"code": "OURS", "condition": "SO_LUONG > 1"})
    held = in_force("12104").rules
    assert held["MACHINE"] == {rule.code: rule for rule in delivered()}["MACHINE"]
    assert held["MINE"].on is False  # nobody asks it
    assert held["OURS"].condition == "SO_LUONG > 1"
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told == 'rule MACHINE of 12104 does not hold: co_ma: không có danh mục "MA_NHOM_1"'


def test_a_kept_rule_that_no_longer_holds_is_shown_with_the_reason_and_put_right(
    as_role: Callable[[str], Client],
) -> None:
    kept(GONE | {"code": "GLUCOSE-TWICE", "when": ["claim", "dinner"]}, GONE, {"code": "OURS", "condition": "true"})
    admin, why = as_role("admin"), "Không có hiệu lực"
    rows = admin.get("/insurance/rules").content.decode().split("<tr")
    told = [row.partition('data-rule="')[2].partition('"')[0] for row in rows if why in row]
    assert told == ["GLUCOSE-TWICE", "MACHINE"]
    rows = admin.get("/insurance/rules?q=machine").content.decode().split("<tr")
    machines = [row for row in rows if 'data-rule="MACHINE"' in row]
    assert [why in row for row in machines] == [True, False]  # the one that came with the house holds instead
    assert "co_ma: không có danh mục &quot;MA_NHOM_1&quot;" in machines[0]
    assert why in admin.get("/insurance/rules/GLUCOSE-TWICE").content.decode()
    assert why not in admin.get("/insurance/rules/OURS").content.decode()
    assert admin.post("/insurance/rules/new", RULE).status_code == 422  # its code is taken
    assert admin.post("/insurance/rules/GLUCOSE-TWICE", RULE).status_code == 302
    assert in_force("12104").rules["GLUCOSE-TWICE"].condition == RULE["condition"]
    page = admin.get("/insurance/rules?q=glucose-twice").content.decode()
    assert page.count("data-rule") == 1
    assert why not in page


@pytest.mark.parametrize("role", ["cashier", "doctor", "official", "citizen"])
def test_who_is_no_administrator_changes_none(role: str) -> None:
    with pytest.raises(NotAllowed):
        change(Asker("someone", role), delivered()[0], "thử")
    assert not RuleChange.objects.exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"condition": 'MA_DICHVU == "1"'}, "undeclared reference to &#x27;MA_DICHVU&#x27;"),
        ({"condition": "SO_LUONG"}, "DOUBLE ≠ BOOL"),
        ({"condition": 'co_ma("MA_NHOM_1", MA_NHOM)'}, "co_ma: không có danh mục &quot;MA_NHOM_1&quot;"),
        ({"field": "NOPE"}, "XML3.NOPE"),
        ({"code": "bad code"}, "chữ in hoa không dấu"),
        ({"from_": "31/02/2026"}, "ngày hợp lệ"),
        ({"from_": "2026-02-01", "to": "2026-01-01"}, "Ngày cuối"),
        ({"why": " "}, "Ghi lý do thay đổi"),
        ({"severity": "fatal"}, "fatal"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_beside_its_field(
    as_role: Callable[[str], Client], changed: dict[str, str], words: str
) -> None:
    answer = as_role("admin").post("/insurance/rules/new", RULE | changed)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert RuleChange.objects.count() == 0


def test_a_rule_is_tried_on_past_claims_and_nothing_is_kept(as_role: Callable[[str], Client], visit: str) -> None:
    ended = datetime(2026, 11, 2, 3, 40, tzinfo=UTC)
    for encounter, facility in ((visit, "12104"), ("gone", "12104"), (visit + "x", "12001")):
        ClaimCase.objects.create(
            encounter=encounter, facility=facility, patient="p", ended=ended, due=ended, by=ended.date()
        )
    page = as_role("admin").post("/insurance/rules/new", RULE | {"try": "1", "why": ""}).content.decode()
    assert "1 / 2" in page
    assert "Glucose 1 lần." in page
    assert RuleChange.objects.count() == 0
    none = RULE | {"try": "1", "condition": "DON_GIA_BV > 1000000000"}
    assert "0 / 2" in as_role("admin").post("/insurance/rules/new", none).content.decode()


def test_who_may_not_changes_nothing(as_role: Callable[[str], Client]) -> None:
    for role in ("cashier", "doctor", "official", "citizen", "outsider"):
        assert as_role(role).post("/insurance/rules/new", RULE).status_code == 403
    assert as_role("cashier").get("/insurance/rules").status_code == 200
    assert as_role("doctor").get("/insurance/rules").status_code == 403
    assert as_role("admin").get("/insurance/rules/NO-SUCH").status_code == 404
    assert RuleChange.objects.count() == 0


def test_what_was_let_pass_is_shown_to_the_officer_of_its_facility_alone(
    as_role: Callable[[str], Client], cast: Any
) -> None:
    def passed(facility: str, value: str) -> Any:
        return RuleOverride.objects.create(
            encounter="e", facility=facility, rule="ICD-DIGITS", table="XML1", field="MA_BENH_CHINH", value=value,
            reason="Chờ cấy máu", at=datetime.now(UTC), account=str(cast["doctor"].pk), role="doctor",
        )  # fmt: skip

    passed("12104", "A01")
    passed("12001", "A02")
    page = as_role("cashier").get("/insurance/overrides").content.decode()
    assert page.count("data-override") == 1
    assert "Bệnh chính A01: mã chưa đủ cụ thể" in page
    assert "Chờ cấy máu" in page
    assert cast["doctor"].full_name in page
    assert as_role("doctor").get("/insurance/overrides").status_code == 403
