"""Insurance officers and administrators bring claim files through a page, and read what became of each claim."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tuetinh.care.insurance.intake import actions, run
from tuetinh.care.insurance.models import ClaimImport, ImportedClaim
from tuetinh.care.insurance.rules.files import claims_in
from tuetinh.care.insurance.wire_xml3176 import write
from tuetinh.commons.access.api import asker_of
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM

GOLDEN = (Path(__file__).parent / "golden" / "claim_3176.xml").read_bytes()
BAD = b"<HOSO><FILEHOSO><LOAIHOSO>XML1</LOAIHOSO><NOIDUNGFILE>@@@</NOIDUNGFILE></FILEHOSO></HOSO>"


@pytest.fixture(autouse=True)
def room(db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where files are kept."""
    monkeypatch.setattr(actions, "_room", lambda: tmp_path)
    return tmp_path


def upload(client: Client, content: bytes, name: str = "thang-10.xml") -> Any:
    return client.post("/insurance/imports", {"file": SimpleUploadedFile(name, content)})


def of_facility(code: str) -> bytes:
    """The golden claim, of another hospital."""
    (found,) = claims_in(io.BytesIO(GOLDEN))
    found.tables["XML1"][0]["MA_CSKCB"] = code
    return write(found.tables, facility=code, made=date(2026, 11, 2), by="3176")


def work() -> None:
    """What the worker does with the files that wait."""
    for one in ClaimImport.objects.filter(ended=None).order_by("pk"):
        actions.take_in(one.pk)


def states(one: ClaimImport) -> list[tuple[str, list[str]]]:
    return [(o.state, [f["rule"] for f in o.findings]) for o in run.outcomes(one)]


def test_a_file_of_the_own_facility_is_taken_in(
    as_role: Callable[[str], Client], cast: dict[str, Any], room: Path
) -> None:
    client, own = as_role("cashier"), of_facility("12104").replace(b"</HOSO>", b"</HOSO>" + BAD)
    answer = upload(client, own)
    (one,) = ClaimImport.objects.all()
    assert (answer.status_code, answer.url) == (302, f"/insurance/imports/{one.pk}")
    assert (one.facility, one.account, one.name) == ("12104", str(cast["cashier"].pk), "thang-10.xml")
    assert len(list(room.iterdir())) == 1
    work()
    assert states(one) == [("refused", ["count"]), ("stored", []), ("refused", ["base64"])]
    assert list(room.iterdir()) == []
    page = client.get(f"/insurance/imports/{one.pk}?state=refused").content.decode()
    assert page.count('data-outcome="refused"') == 2
    lines = b"".join(client.get(f"/insurance/imports/{one.pk}.ndjson").streaming_content).splitlines()
    assert [json.loads(line)["state"] for line in lines].count("stored") == 1


def test_a_claim_of_another_facility_is_refused_to_a_facility_s_officer(as_role: Callable[[str], Client]) -> None:
    upload(as_role("cashier"), GOLDEN)
    work()
    (one,) = ClaimImport.objects.all()
    assert states(one) == [("refused", ["facility"])]
    assert not ImportedClaim.objects.exists()
    assert record.search(SYSTEM, "Encounter", "_count=10").resources == []


def test_the_province_brings_claims_of_every_facility(as_role: Callable[[str], Client], cast: dict[str, Any]) -> None:
    upload(as_role("province"), GOLDEN)
    work()
    (one,) = ClaimImport.objects.all()
    assert (one.facility, states(one)) == ("", [("stored", [])])
    assert as_role("cashier").get(f"/insurance/imports/{one.pk}").status_code == 404
    assert as_role("cashier").get(f"/insurance/imports/{one.pk}.ndjson").status_code == 404


@pytest.mark.parametrize("role", ["doctor", "reception", "official", "citizen", "outsider"])
def test_nobody_else_brings_anything(as_role: Callable[[str], Client], room: Path, role: str) -> None:
    assert upload(as_role(role), GOLDEN).status_code == 403
    assert not ClaimImport.objects.exists()
    assert list(room.iterdir()) == []


def test_a_cashier_of_no_facility_brings_nothing(as_role: Callable[[str], Client], cast: dict[str, Any]) -> None:
    cast["cashier"].facility = ""
    cast["cashier"].save()
    answer = upload(as_role("cashier"), GOLDEN)
    assert answer.status_code in (403, 422)
    assert not ClaimImport.objects.exists()
    assert not actions.may_bring(asker_of(cast["cashier"]))


def test_packed_files_are_taken_in_part_by_part(as_role: Callable[[str], Client], room: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as into:
        into.writestr("a/1.xml", GOLDEN)
        into.writestr("2.xml", b"no claim")
    assert upload(as_role("province"), packed.getvalue(), "hs.zip").url == "/insurance/imports"
    upload(as_role("province"), gzip.compress(GOLDEN), "hs.xml.gz")
    work()
    found = {one.name: states(one) for one in ClaimImport.objects.all()}
    assert found == {
        "hs.zip/2.xml": [("refused", ["xml"])],
        "hs.zip/a/1.xml": [("stored", [])],
        "hs.xml.gz": [("unchanged", [])],
    }
    assert list(room.iterdir()) == []


def test_the_list_asks_the_same_number_of_questions_however_long_it_is(
    as_role: Callable[[str], Client],
) -> None:
    client, counts = as_role("province"), []
    for many in (1, 20):
        for number in range(many):
            ClaimImport.objects.create(name=f"{many}-{number}", sha256="x", began=timezone.now(), ended=timezone.now())
        client.get("/insurance/imports")
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/insurance/imports").status_code == 200
        counts.append(sum("insurance_" in one["sql"] for one in asked))
    assert counts == [3, 3]  # how many, the page, their counts
