"""Somebody of another system: imported, found at the desk, given an account, and reading their own record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from lxml import html

from tuetinh.commons.access.models import Account
from tuetinh.record import api as record
from tuetinh.record.asker import SYSTEM
from tuetinh.record.imports import import_paths

pytestmark = pytest.mark.django_db
As = Callable[[str], Client]
OWN = "mot-mat-khau-cua-toi"


class Silent:
    """Lets an import go without a word."""

    def advanced(self, *_told: object) -> None:
        """Something was stored."""

    def refused(self, place: str, name: str, issues: object) -> None:
        """A resource was refused."""


def given(desk: Client, patient: str) -> tuple[str, str]:
    """User name and first password as the desk's page shows them."""
    page = html.fromstring(desk.post(f"/people/{patient}/account").content.decode())
    return Account.objects.get(patient=patient).username, page.xpath("string(//*[@class='secret'])")


def entered(username: str, password: str) -> Client:
    """The person's browser after the first login, with a password of their own."""
    browser = Client()
    browser.post("/login", {"username": username, "password": password})
    asked = browser.get("/me")
    assert asked["Location"] == "/account/password"
    form = {"old_password": password, "new_password1": OWN, "new_password2": OWN}
    assert browser.post("/account/password", form).status_code == 302
    return browser


def test_an_imported_person_reads_their_own_record(as_role: As, shared: Path) -> None:
    bundle = next((shared / "data/fhir/synthea_r4").glob("Idalia_Kertzmann_*.json.gz"))
    import_paths([str(bundle)], SYSTEM, Silent())
    desk = as_role("reception")
    person = desk.post("/reception", {"q": "idalia kertzmann"})["Location"].rpartition("/")[2]
    me = entered(*given(desk, person))
    visits = html.fromstring(me.get("/me/visits").content.decode()).xpath(
        "//a[starts-with(@href, '/me/visits/')]/@href"
    )
    assert len(visits) >= 10
    assert me.get(visits[0]).status_code == 200
    results = html.fromstring(me.get("/me/results").content.decode())
    codes = results.xpath("//a[starts-with(@href, '/me/results/')]/@href")
    words = results.xpath("string(//main)")
    for plain in ("Đường huyết", "Mỡ tốt HDL", "Mỡ xấu LDL", "Creatinin (chức năng thận)", "Muối kali"):
        assert plain in words
    curves = 0
    for url in codes:
        page = html.fromstring(me.get(url).content.decode())
        rows = page.xpath("//table//tbody/tr")
        numbers = record.search(
            SYSTEM,
            "Observation",
            f"patient=Patient/{person}&code={url.rpartition('/')[2]}&category=laboratory&_count=60",
        ).resources
        drawn = bool(page.xpath("//main//svg[@role='img']"))
        assert len(rows) == len(numbers), url
        assert drawn is (sum(getattr(one, "valueQuantity", None) is not None for one in numbers) >= 2), url
        curves += drawn
    assert curves >= 3
    medicines = html.fromstring(me.get("/me/medicines").content.decode()).xpath("string(//main)")
    assert "MG" in medicines.upper()
    assert me.get("/me/record/payments").status_code == 200
    assert me.get("/reception").status_code == 403


def test_a_second_time_gives_a_new_password_only(as_role: As) -> None:
    desk = as_role("reception")
    first = given(desk, "cast-citizen")
    assert first[0] == "cast.citizen"  # who has an account keeps it
    me = entered(*first)
    assert me.get("/me").status_code == 200
    again = given(desk, "cast-citizen")
    assert again[1] != first[1]
    assert me.get("/me")["Location"].startswith("/login")
    assert Account.objects.filter(patient="cast-citizen").count() == 1


@pytest.mark.parametrize("role", ["doctor", "cashier", "admin", "citizen", "outsider"])
def test_no_other_desk_gives_citizens_an_account(as_role: As, role: str) -> None:
    before = Account.objects.get(patient="cast-citizen").password
    assert as_role(role).post("/people/cast-citizen/account").status_code == 403
    assert Account.objects.get(patient="cast-citizen").password == before


def test_nobody_unknown_gets_an_account(as_role: As) -> None:
    assert as_role("reception").post("/people/nobody/account").status_code == 404
    assert not Account.objects.filter(patient="nobody").exists()
