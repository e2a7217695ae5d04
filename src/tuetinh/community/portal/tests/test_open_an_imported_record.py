"""Somebody of another system: imported, found at the desk, given an account, and reading their own record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from lxml import html

from tuetinh.commons.access.models import Account, Totp
from tuetinh.commons.identity.api import CCCD
from tuetinh.node.testing import PASSWORD
from tuetinh.record import api as record
from tuetinh.record import r4
from tuetinh.record.asker import SYSTEM
from tuetinh.record.imports import import_paths
from tuetinh.record.steps import enter

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
    reason = {"reason": "Người thân của nhân viên tiếp đón"}
    page = html.fromstring(desk.post(f"/people/{patient}/account", reason).content.decode())
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


WHY = {"number": "012172000001", "reason": "Mất điện thoại, quên mật khẩu"}


@pytest.fixture
def owner(cast: dict[str, Account]) -> Account:
    """The citizen, whose identity card the record knows, with an account in use and a second factor."""
    person = record.read(SYSTEM, "Patient", "cast-citizen")
    assert isinstance(person, r4.Patient)
    person.identifier = [r4.Identifier(system=CCCD, value=WHY["number"])]
    record.update(SYSTEM, person)
    Account.objects.filter(pk=cast["citizen"].pk).update(has_factor=True, last_login=timezone.now())
    Totp.objects.create(account=cast["citizen"], secret=b"x", last_step=0)
    return cast["citizen"]


def entries(patient: str) -> list[tuple[str, str, str]]:
    enter(SYSTEM)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT account, action, reason FROM record.audit WHERE type = 'Account' AND patient = %s", [patient]
        )
        return cursor.fetchall()


@pytest.fixture
def newcomer(owner: Account) -> Account:
    """Nobody's: the citizen of the cast, whose number is known, has no account."""
    Account.objects.filter(pk=owner.pk).update(patient="")
    return owner


@pytest.mark.usefixtures("newcomer")
@pytest.mark.parametrize("form", [{}, {"number": ""}, {"number": "012172000002"}, {"reason": WHY["reason"]}], ids=str)
def test_who_has_papers_gets_an_account_by_their_number_alone(as_role: As, form: dict[str, str]) -> None:
    page = as_role("reception").post("/people/cast-citizen/account", form)
    assert page.status_code == (422 if form else 200)
    assert 'class="secret"' not in page.content.decode()
    assert not Account.objects.filter(patient="cast-citizen").exists()
    assert entries("cast-citizen") == []


@pytest.mark.usefixtures("newcomer")
def test_a_given_account_is_told_and_logged(as_role: As, cast: dict[str, Account]) -> None:
    page = as_role("reception").post("/people/cast-citizen/account", {"number": WHY["number"]}).content.decode()
    made = Account.objects.get(patient="cast-citizen")
    assert made.check_password(html.fromstring(page).xpath("string(//*[@class='secret'])"))
    assert entries("cast-citizen") == [(str(cast["reception"].pk), "update", "created")]
    Account.objects.filter(pk=made.pk).update(must_change_password=False)
    me = Client()
    me.force_login(made, backend="django.contrib.auth.backends.ModelBackend")
    assert (
        "Tài khoản xem hồ sơ của bạn vừa được cấp tại Trung tâm Y tế huyện Than Uyên" in me.get("/me").content.decode()
    )


def test_an_account_in_use_is_not_taken_over_by_a_click(as_role: As, owner: Account) -> None:
    page = as_role("reception").post("/people/cast-citizen/account")
    assert (page.status_code, 'class="secret"' in page.content.decode()) == (200, False)
    after = Account.objects.get(pk=owner.pk)
    assert (after.password, after.must_change_password) == (owner.password, False)
    assert entries("cast-citizen") == []


@pytest.mark.parametrize(
    "wrong", [{"number": "012172000002"}, {"number": ""}, {"reason": "quên"}, {"reason": ""}], ids=str
)
def test_without_paper_or_reason_nothing_is_reset(as_role: As, owner: Account, wrong: dict[str, str]) -> None:
    assert as_role("reception").post("/people/cast-citizen/account", WHY | wrong).status_code == 422
    assert Account.objects.get(pk=owner.pk).password == owner.password
    assert entries("cast-citizen") == []
    assert record.search(SYSTEM, "Communication", "recipient=Patient/cast-citizen").resources == []


def test_a_reset_is_proved_told_and_logged_and_ends_no_second_factor(
    as_role: As, owner: Account, cast: dict[str, Account]
) -> None:
    desk = as_role("reception")
    session = desk.session
    session["proved"] = 1
    session.save()
    assert desk.post("/people/cast-citizen/account", WHY).status_code == 403, "asks who one is"
    assert Account.objects.get(pk=owner.pk).password == owner.password
    page = desk.post("/people/cast-citizen/account", WHY | {"prove-password": PASSWORD})
    password = html.fromstring(page.content.decode()).xpath("string(//*[@class='secret'])")
    after = Account.objects.get(pk=owner.pk)
    assert after.check_password(password)
    assert (after.must_change_password, after.has_factor, Totp.objects.filter(account=after).count()) == (True, True, 1)
    assert entries("cast-citizen") == [
        (str(cast["reception"].pk), "update", "password_reset: Mất điện thoại, quên mật khẩu")
    ]
    Account.objects.filter(pk=owner.pk).update(must_change_password=False)
    owner.refresh_from_db()
    shown = as_role("citizen").get("/me").content.decode()
    assert "Mật khẩu tài khoản của bạn vừa được đặt lại tại Trung tâm Y tế huyện Than Uyên" in shown


@pytest.mark.parametrize("role", ["doctor", "cashier", "admin", "citizen", "outsider"])
def test_no_other_desk_gives_citizens_an_account(as_role: As, role: str) -> None:
    before = Account.objects.get(patient="cast-citizen").password
    assert as_role(role).post("/people/cast-citizen/account").status_code == 403
    assert Account.objects.get(patient="cast-citizen").password == before


def test_nobody_unknown_gets_an_account(as_role: As) -> None:
    assert as_role("reception").post("/people/nobody/account").status_code == 404
    assert not Account.objects.filter(patient="nobody").exists()
