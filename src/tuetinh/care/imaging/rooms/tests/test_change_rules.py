"""Protocols fit the services of the country; administrators change them, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from tuetinh.care.imaging.exams import modality_of
from tuetinh.care.imaging.models import RuleChange
from tuetinh.care.imaging.rules.book import delivered, in_force
from tuetinh.care.imaging.rules.kinds import Check, Protocol, Reference, Sheet
from tuetinh.care.imaging.tests.conftest import FACILITY
from tuetinh.commons.catalogues.api import search_services

pytestmark = pytest.mark.django_db
Browser = Callable[[str], Client]


def test_every_delivered_rule_can_be_kept() -> None:
    rules = delivered()
    for rule in rules:
        rule.check()
    assert len({rule.code for rule in rules}) == len(rules)
    sheets = {rule.code for rule in rules if isinstance(rule, Sheet)}
    assert {code for rule in rules if isinstance(rule, Protocol) for code in rule.sheets} <= sheets
    kinds = [sum(isinstance(rule, kind) for rule in rules) for kind in (Protocol, Sheet, Check, Reference)]
    assert kinds == [60, 9, 8, 33]


@pytest.mark.parametrize(
    ("service", "protocol", "contrast"),
    [
        ("Chụp CLVT sọ não không tiêm thuốc cản quang (từ 1-32 dãy)", "CT-HEAD", ""),
        ("Chụp CLVT sọ não có tiêm thuốc cản quang (từ 1-32 dãy)", "CT-HEAD-C", "iodine"),
        ("Chụp CLVT mạch máu não (từ 64-128 dãy)", "CT-HEAD-C", "iodine"),
        ("Chụp cắt lớp vi tính lồng ngực không tiêm thuốc cản quang (từ 1- 32 dãy)", "CT-CHEST", ""),
        ("Chụp cắt lớp vi tính động mạch vành, tim (từ 64-128 dãy)", "CT-CORONARY", "iodine"),
        ("Chụp cộng hưởng từ sọ não (0.2-1.5T)", "MR-HEAD", ""),
        ("Chụp cộng hưởng từ hệ mạch cổ không tiêm chất tương phản (0.2-1.5T)", "MR-DEFAULT", ""),
        ("Chụp cộng hưởng từ cột sống thắt lưng - cùng có tiêm tương phản (≥ 3T)", "MR-SPINE-C", "gadolinium"),
        ("Chụp Xquang ngực thẳng", "XR-CHEST", ""),
        ("Chụp X-quang niệu đồ tĩnh mạch (UIV)", "XR-IVU", "iodine"),
        ("Siêu âm ổ bụng", "US-ABDOMEN", ""),
        ("Công khám", "OT-DEFAULT", ""),
    ],
)
def test_a_services_name_tells_the_protocol(service: str, protocol: str, contrast: str) -> None:
    found = in_force().protocol_for(modality_of(service), service)
    assert found is not None
    assert (found.code, found.contrast) == (protocol, contrast)


def test_what_is_injected_is_never_taken_for_plain(cast: object) -> None:
    names = {hit.name for text in ("có tiêm thuốc", "có tiêm tương phản") for hit in search_services(text, "18", 200)}
    told = [(name, in_force().protocol_for(modality_of(name), name)) for name in names if "có tiêm" in name]
    told = [(name, found) for name, found in told if found and found.code.startswith(("CT", "MR"))]
    assert len(told) > 20
    assert [name for name, found in told if not found.contrast] == []


def test_an_administrator_changes_a_protocol(cast: object, as_role: Browser) -> None:
    admin = as_role("admin")
    assert "CT-HEAD-C" in admin.get("/imaging/rules?q=sọ não").content.decode()
    url = "/imaging/rules/CT-HEAD"
    assert "sọ não" in admin.get(url).content.decode()
    told = {"on": "on", "vi": "CLVT sọ não", "modalities": "CT", "words": "sọ não\nđầu + không tiêm", "minutes": "25"}
    assert admin.post(url, told).status_code == 422  # without a reason
    assert admin.post(url, told | {"why": "Máy cũ", "modalities": "c!"}).status_code == 422
    assert admin.post(url, told | {"why": "Máy cũ"}).status_code == 302
    found = in_force(FACILITY).protocol("CT-HEAD")
    assert found is not None
    assert (found.minutes, found.words) == (25, ("sọ não", "đầu + không tiêm"))
    elsewhere = in_force("12001").protocol("CT-HEAD")
    assert elsewhere is not None and elsewhere.minutes == 10
    assert "Máy cũ" in admin.get(url).content.decode()
    new = told | {"code": "CT-NEW", "vi": "Mới", "why": "Thêm"}
    assert admin.post("/imaging/rules/new?kind=protocol", new).status_code == 302
    assert admin.post("/imaging/rules/new?kind=protocol", new).status_code == 422  # the code is taken
    assert admin.get("/imaging/rules/NOTHING").status_code == 404
    for role in ("imaging", "doctor", "outsider"):
        assert as_role(role).post(url, told | {"why": "x"}).status_code == 403
    assert RuleChange.objects.count() == 2


def test_limits_and_reference_levels_are_data(cast: object, as_role: Browser) -> None:
    admin = as_role("admin")
    renal = {
        "on": "on",
        "check_": "renal",
        "contrast": "iodine",
        "limit": "45",
        "days": "60",
        "why": "Quy định của viện",
    }
    assert admin.post("/imaging/rules/RENAL-IODINE", renal | {"limit": ""}).status_code == 422
    assert admin.post("/imaging/rules/RENAL-IODINE", renal).status_code == 302
    found = in_force(FACILITY).rules["RENAL-IODINE"]
    assert isinstance(found, Check)
    assert (found.limit, found.days) == (Decimal(45), 60)
    level = {
        "code": "XR-HAND", "on": "on", "vi": "Bàn tay", "modalities": "DX CR", "words": "bàn tay", "quantity": "dap",
        "limit": "0,05", "why": "Viện đặt",
    }  # fmt: skip
    assert admin.post("/imaging/rules/new?kind=reference", level).status_code == 422  # from where?
    assert admin.post("/imaging/rules/new?kind=reference", level | {"source": "Khảo sát 2026"}).status_code == 302
    levels = in_force(FACILITY).references("DX", "X-quang bàn tay", 40)
    assert {name: one.limit for name, one in levels.items()} == {"dap": Decimal("0.05")}


def test_the_closest_reference_level_holds() -> None:
    book = in_force()
    assert book.references("CT", "CLVT động mạch phổi Ngực", 50)["dlp"].code == "CT-PULMONARY-DLP"
    assert book.references("CT", "CLVT sọ não Đầu", 3)["ctdi"].code == "CT-HEAD-CHILD-1-CTDI"
    assert book.references("CT", "CLVT sọ não Đầu", None)["ctdi"].code == "CT-HEAD-CTDI"
    assert book.references("CT", "CLVT bàn chân", 50) == {}
