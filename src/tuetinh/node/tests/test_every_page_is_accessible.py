"""Every HTML page in a browser, at a desk and on a phone: no serious fault of axe, nothing wider than the screen, no
error in the console. The pages come from the URL resolver: a new one that says nowhere how it is reached fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import pytest
from django.urls import Resolver404, resolve
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tuetinh.commons.access.roles import ROLES
from tuetinh.node.demo.people import CITIZEN
from tuetinh.node.journey.peers import results, send_hl7
from tuetinh.node.tests.conftest import Province, run
from tuetinh.node.tests.test_every_url_refuses import Door, doors

pytestmark = pytest.mark.browser
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
DESK, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)
NOBODY = ""


@dataclass(frozen=True)
class Row:
    """How pages of one address are reached: by whom; on which page (or route of a page) a link to them stands, or
    which they are at; in which further states. about: the address by the id of a visit, to which a link stands there.
    """

    role: str = NOBODY
    on: str = ""
    at: str = ""
    states: tuple[str, ...] = ()
    about: str = ""


VISIT = "clinic/visits/<str:encounter_id>"
TABS = ("?tab=orders", "?tab=prescription", "?tab=close")
# Pages whose address has parameters, or that look different by what is asked; the others are opened as they are.
ROWS = {
    "people/review/<int:pair_id>": Row("archivist", "/people/review"),
    "people/<str:patient_id>/unmerge": Row("archivist", "/people/merges"),
    "people/<str:patient_id>": Row("lab", at=f"/people/{CITIZEN}"),
    "reception/people/<str:patient_id>": Row("reception", at=f"/reception/people/{CITIZEN}"),
    "reception/visits/<str:encounter_id>": Row("reception", "/reception/today"),
    "reception/today": Row("reception", states=("?state=waiting", "?state=cancelled")),
    "wall/<str:room>": Row("reception", "/reception"),
    "clinic/people/<str:patient_id>": Row("doctor", at=f"/clinic/people/{CITIZEN}"),
    "clinic/people/<str:patient_id>/visits/<str:encounter_id>": Row("doctor", f"/clinic/people/{CITIZEN}"),
    VISIT: Row("doctor", "/clinic", states=("?tab=orders", "?tab=prescription", "?tab=close")),
    "lab": Row("lab", states=("?list=validate", "?list=sign&bench=chemistry")),
    "lab/rules": Row("admin", states=("?kind=formula", "?kind=delta&q=k")),
    "lab/rules/<str:code>": Row("admin", at="/lab/rules/HGB-PREGNANT"),
    "lab/draw/<str:encounter_id>": Row("lab", "/lab/draw"),
    "lab/standing/<str:encounter_id>": Row("doctor", "/clinic", about="/lab/standing/{}"),
    "lab/reagents/<int:reagent_id>": Row("lab", "/lab/reagents"),
    "lab/reagents/lots/<int:lot_id>": Row("lab", "/lab/reagents/1"),
    "lab/rounds": Row("lab", states=("?analyte=GLU",)),
    "lab/comparisons/<int:pk>": Row("lab", "/lab/comparisons"),
    "lab/fridges/<int:fridge_id>": Row("lab", "/lab/fridges"),
    "lab/statistics": Row("lab", states=("?kind=times&by=bench", "?kind=samples", "?kind=costs")),
    "lab/shipments/<str:number>": Row("lab", "/lab/shipments"),
    "lab/quality/<int:control_id>": Row("lab", "/lab/quality"),
    "lab/cultures": Row("lab", states=("?list=done",)),
    "lab/cultures/<str:number>": Row("lab", "/lab/cultures"),
    "lab/cultures/<str:number>/<str:order>/isolates/<int:place>": Row("lab", "lab/cultures/<str:number>"),
    "lab/antibiogram": Row("lab", states=("?first=01/01/2020&last=31/12/2020&specimen=bl",)),
    "lab/breakpoints": Row("admin"),
    "lab/people/<str:patient_id>": Row("lab", at=f"/lab/people/{CITIZEN}"),
    "lab/inbox": Row("lab", states=("?list=live", "?list=unknown")),
    "lab/inbox/<int:message_id>": Row("lab", "/lab/inbox"),
    "lab/machines/<int:analyser_id>": Row("lab", "/lab/machines"),
    "lab/tubes/<str:number>": Row("lab", "/lab?list=done"),
    "imaging": Row("imaging", states=("?list=done", "?list=reported&modality=CT")),
    "imaging/exams/<int:exam_id>": Row("imaging", "/imaging"),
    "imaging/waiting": Row("imaging", states=("?list=nobody",)),
    "imaging/waiting/<int:held_id>": Row("imaging", "/imaging/waiting"),
    "imaging/studies/<int:study_id>/patient": Row("imaging", "/imaging/waiting?list=nobody"),
    "imaging/devices/<int:device_id>": Row("admin", "/imaging/devices"),
    "lab/poct/<str:encounter_id>": Row("doctor", "/clinic", states=("?test=URINE",), about="/lab/poct/{}"),
    "lab/pathology": Row("lab", states=("?stage=signed",)),
    "lab/pathology/visits/<str:encounter_id>": Row("doctor", "/clinic", about="/lab/pathology/visits/{}"),
    "lab/pathology/cases/<int:case_id>": Row("lab", "/lab/pathology?stage=signed", states=("?correct=1",)),
    "lab/blood": Row("lab", states=("?stage=transfused",)),
    "lab/blood/units/<int:unit_id>": Row("lab", "/lab/blood?stage=available"),
    "lab/blood/samples/<str:number>": Row("lab", "/lab/blood/orders/1"),
    "lab/blood/people/<str:patient_id>": Row("lab", "/lab/blood/orders/1"),
    "lab/blood/orders/new/<str:encounter_id>": Row("doctor", "/clinic", about="/lab/blood/orders/new/{}"),
    "lab/blood/orders/<int:order_id>": Row("lab", "/lab/blood/orders"),
    "lab/blood/transfusions/<int:allocation_id>": Row("nurse", at="/lab/blood/transfusions/1"),
    "lab/blood/reactions/<int:reaction_id>": Row("lab", "/lab/blood/reactions"),
    "lab/tubes/<str:number>/label": Row("lab", "/lab?list=done"),
    "billing/<str:encounter_id>": Row("cashier", "/billing"),
    "insurance/claims/<int:case_id>": Row("cashier", "/insurance"),
    "insurance/imports": Row("cashier"),
    "insurance/imports/<int:import_id>": Row("cashier", "/insurance/imports", states=("?state=refused",)),
    "insurance/results": Row("cashier", states=("?month=2026-11&state=reduced",)),
    "insurance/results/<int:case_id>": Row("cashier", "/insurance/results?month=2026-11"),
    "insurance/disputes": Row("cashier", states=("?state=open",)),
    "insurance/disputes/<int:dispute_id>": Row("cashier", "/insurance/disputes"),
    "insurance/approved": Row("admin", states=("?catalogue=05",)),
    "insurance/caught": Row("cashier", states=("?month=2026-11&reason=TL01",)),
    "insurance/rates": Row("official", states=("?month=2026-11",)),
    "insurance/rules": Row("admin", states=("?group=drugs", "?q=ICD")),
    "insurance/rules/<str:code>": Row("admin", at="/insurance/rules/ICD-PRINCIPAL"),
    "insurance/overrides": Row("cashier"),
    "insurance/annexes": Row("admin"),
    "insurance/visits/<str:encounter_id>/papers": Row("doctor", "/clinic", about="/insurance/visits/{}/papers"),
    "insurance/visits/<str:encounter_id>/papers/<slug:name>/<int:place>": Row(
        "doctor", "/clinic", about="/insurance/visits/{}/papers/nghi-om/1"
    ),
    "insurance/remarks/<str:encounter_id>/<slug:moment>": Row("doctor", "/clinic", about="/insurance/remarks/{}/order"),
    "accounts/<int:account_id>": Row("admin", "/accounts"),
    "accounts/apps/<slug:client_id>": Row("admin", "/accounts/apps"),
    "accounts/providers/<slug:provider_id>": Row("admin", "/accounts/providers"),
    "accounts/rules/<slug:role>": Row("admin", "/accounts/rules"),
    "records/<str:patient_id>/open": Row("doctor", at=f"/records/{CITIZEN}/open"),
    "people/<str:patient_id>/report": Row("reception", at=f"/people/{CITIZEN}/report"),
    "people/<str:patient_id>/guardians": Row("reception", at=f"/people/{CITIZEN}/guardians"),
    "reception/people/<str:patient_id>/newborn": Row("reception", at=f"/reception/people/{CITIZEN}/newborn"),
    "reception/people/<str:patient_id>/complete": Row("reception", at=f"/reception/people/{CITIZEN}/complete"),
    "share/record/visits/<str:encounter_id>": Row(at="/share/record/visits/x"),  # leads to the door, without a code
    "people/<str:patient_id>/edit": Row("reception", at=f"/people/{CITIZEN}/edit"),
    "privacy/people/<str:patient_id>/request": Row("reception", at=f"/privacy/people/{CITIZEN}/request"),
    "privacy": Row("archivist", states=("?state=done",)),
    "privacy/requests/<int:request_id>": Row("archivist", "/privacy"),
    "privacy/breaches/<int:breach_id>": Row("admin", "/privacy/breaches"),
    "privacy/breaches/<int:breach_id>/edit": Row("admin", at="/privacy/breaches/1/edit"),
    "privacy/breaches/<int:breach_id>/people": Row("archivist", at="/privacy/breaches/1/people"),
    "privacy/purposes/<slug:code>": Row("admin", at="/privacy/purposes/HRESCH"),
    "privacy/people/<str:patient_id>/hold": Row("archivist", at=f"/privacy/people/{CITIZEN}/hold"),
    "privacy/retention/<int:destruction_id>": Row("archivist", at="/privacy/retention/1"),
    "privacy/corrections/<int:request_id>": Row("reception", "/privacy/corrections"),
    "me/rights/<int:request_id>": Row("citizen", "/me/rights"),
    "me/results/<str:code>": Row("citizen", "/me/results"),
    "me/visits/<str:encounter_id>": Row("citizen", "/me/visits"),
}
NO_PAGES = {
    "insurance/forms/<int:run_id>/file", "lab/whonet.<str:form>", "lab/pictures/<str:picture>",  # files
    "lab/pathology/pictures/<str:media_id>",  # a picture
    "oauth/token", "oauth/revoke", "oauth/introspect", "oauth/jwks", "cds-services", ".well-known/smart-configuration",
    "cds-services/<str:id_>", "cds-services/<str:id_>/feedback", ".well-known/openid-configuration",  # answer programs
    "catalogues/icd10", "catalogues/services", "catalogues/drugs", "catalogues/communes", "me/turn",  # parts of pages
    "apps/<slug:client_id>/launch",  # leads on to an app
    "login/outside/<slug:provider_id>/back",  # leads on from a provider: test_come_from_outside
    "apps/sample/launch", "apps/sample/",  # an app of its own, that begins with a launch: test_sample_app
}  # fmt: skip
# Two pairs of records of one person: one waits for the records office, one was merged.
TWICE = """
from tuetinh.commons.identity import merging, review
from tuetinh.record import api as record, r4
people = [record.create(record.SYSTEM, r4.Patient(name=[r4.HumanName(text="Lò Thị Hai Lần")], birthDate=day))
          for day in ("1985-03-12", "1985-03-12", "1951-07-08", "1951-07-08")]
review.tell(people[0].id, people[1].id)
merging.merge(record.SYSTEM, people[2].id, people[3].id)
"""
# What administrators have connected.
CONNECTED = """
from tuetinh.commons.access import actions
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.outside import administering
admin = Account.objects.get(username="admin")
actions.register_client(admin, client_id="kho", name="Kho dữ liệu", proof="keys", scopes="system/Patient.rs",
                        jwks_url="https://kho.example/jwks")
fields = {"name": "Sở Y tế", "issuer": "https://id.example.vn", "client_id": "tuetinh"}
administering.save(admin, "so", fields, "")
"""
# What people have asked about their data, and a breach that concerns one of them.
ASKED_FOR = f"""
from tuetinh.commons.access.models import Account
from tuetinh.commons.access.api import asker_of
from tuetinh.governance.privacy.requests import actions
me, office = Account.objects.get(username="citizen"), Account.objects.get(username="archivist")
for kind, about in (("view", ""), ("correct", "Patient/{CITIZEN}")):
    wish = actions.Wish(kind, "Xin được giải quyết sớm", office.facility, about)
    made = actions.make(asker_of(me), me, me.patient, wish)
actions.grant(office, made.pk, "Mời đến quầy tiếp đón.")
from django.utils import timezone
from tuetinh.governance.privacy.breaches import actions as breaches
admin, now = Account.objects.get(username="admin"), timezone.now()
breach = breaches.open_breach(admin, breaches.Description("Mất máy", "loss", "Mất máy tính xách tay", now))
from tuetinh.governance.privacy.models import Destruction
Destruction.objects.create(facility=office.facility, number="1/BB", day=now.date(), members="Lò Văn An",
                           proposed_by=office, proposed_at=now)
breach.people.create(patient=me.patient, first=now, last=now, entries=1, changed=False)
from tuetinh.care.insurance.models import ClaimImport
cashier = Account.objects.get(username="cashier")
brought = ClaimImport.objects.create(name="thang-10.xml", sha256="0", facility=cashier.facility, began=now, ended=now)
finding = {{"table": "XML1", "row": 1, "field": "NGAY_RA", "rule": "order", "severity": "block", "message": "Ngày ra"}}
brought.outcomes.create(place=1, ma_lk="TEST-1", state="refused", findings=[finding])
"""
# A claim that the insurer pays in part, and a dispute of it.
ANSWERED = """
from decimal import Decimal
from dataclasses import replace
from tuetinh.commons.access.models import Account
from tuetinh.care.insurance.results import actions, disputes
from tuetinh.care.insurance.results.wire import LineResult, Result
from tuetinh.care.insurance.tests.sent import sent_claim
from tuetinh.record.asker import SYSTEM
asker = replace(SYSTEM, facility=Account.objects.get(username="cashier").facility)
case = sent_claim("LK-TRANG", facility=asker.facility)
refused = LineResult("XML3", 2, accepted=Decimal(0), code="TL01", words="Giá cao")
actions.keep(asker, case, Result(case.ma_lk, "reduced", lines=(refused,)))
disputes.open_dispute(asker, case, ("XML3", 2), ground="price", text="Giá theo quyết định")
"""
# A tube that nobody has drawn yet, one on its way to another laboratory, a control that failed, and a blood culture.
AT_THE_LABORATORY = """
from tuetinh.care.lab import actions
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.samples import actions as samples
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
doctor, lab = (asker_of(Account.objects.get(username=name)) for name in ("doctor", "lab"))
visit = Tube.objects.filter(facility=lab.facility).latest("id").encounter
actions.order_tests(doctor, visit, ["23.0075.1494"])
elsewhere = next(place for place in samples.laboratories() if place != lab.facility)
samples.send(lab, [Tube.objects.filter(facility=lab.facility).latest("id").number], elsewhere)
actions.order_tests(doctor, visit, ["23.0166.1494"])
from decimal import Decimal
from tuetinh.care.lab.quality import actions as quality
told = dict(machine="", analyte="GLU", material="Normal", level=1, lot="A1", mean=Decimal(5), sd=Decimal("0.1"))
control = quality.open_control(lab, **told)
for value in ("5.02", "4.93", "5.21", "5.44"):
    quality.keep_result(lab, control.pk, Decimal(value))
from tuetinh.care.lab.microbiology import actions as bench
[culture] = actions.order_tests(doctor, visit, ["24.0003.1715/BLOODCULT"])
number = Tube.objects.latest("id").number
actions.receive_specimen(lab, number)
bench.note_step(lab, number, culture.id, outcome="no-growth", hours=24)
grown = bench.Draft("sau", "3+", tests=[("FOX", "disk", "18"), ("VAN", "mic", "1")])
bench.save_isolate(lab, number, culture.id, 0, grown)
"""
# An examination, an object that waits, and a study of nobody.
AT_IMAGING = """
from tuetinh.care.clinic.api import order_imaging
from tuetinh.care.imaging.archive.keeping import Source, keep
from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.care.lab.models import Tube
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
doctor = asker_of(Account.objects.get(username="doctor"))
visit = Tube.objects.filter(facility=doctor.facility).latest("id").encounter
order_imaging(doctor, visit, "18.0119.0028", question="Ho kéo dài", site="Ngực")
here = Source(doctor.facility, "AE CT1")
keep(here, b"broken")
keep(here, part10(PatientID="UNKNOWN"))
"""
# A unit that was given and reacted to, another in the store, and a signed case of pathology.
IN_THE_BLOOD_BANK = """
from datetime import timedelta
from django.utils import timezone
from tuetinh.care.lab import actions
from tuetinh.care.lab.models import Tube
from tuetinh.care.lab.blood import bedside, grouping, issuing, orders, reactions, stock
from tuetinh.care.lab.pathology import cases, reports
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
doctor, lab, nurse = (asker_of(Account.objects.get(username=name)) for name in ("doctor", "lab", "nurse"))
visit = Tube.objects.filter(facility=lab.facility).latest("id")
units = []
for number in (1, 2):
    unit = stock.receive(lab, din=f"V00012612345{number}", product="E0336V00", component="red", abo="O", rhd="-",
                         expires=timezone.now() + timedelta(days=20), volume=250)
    units.append(stock.release(lab, unit.pk, "O", "-"))
row = orders.order_blood(doctor, visit.encounter, "red", 2, indication="anaemia")
tube = Tube.objects.latest("id")
actions.receive_specimen(lab, tube.number)
typed = dict(anti_a="4+", anti_b="0", anti_d="4+", control="0", a1_cells="0", b_cells="4+")
grouping.type_sample(lab, tube.number, typed, grouping.NEGATIVE)
bag = orders.match(lab, row.pk, units[0].pk, "serological", {"saline": "0", "ahg": "0"})
issuing.prepare(lab, bag.pk, units[0].din)
issuing.issue(nurse, bag.pk, units[0].din, row.patient)
vitals = dict(pulse="80", systolic="120", diastolic="75", temperature="37", breaths="18")
bedside.start(nurse, person=row.patient, scanned=units[0].din, values=vitals, person_abo="A", unit_abo="O")
reactions.report(nurse, bag.pk, "febrile", "rét run")
case = cases.ask(doctor, visit.encounter, "histology", ["Hang vị"], "Loét")
cases.receive(lab, case.pk)
cases.gross(lab, case.pk, "Ba mảnh", {"A": 1})
cases.stain(lab, case.pieces.get(label="A1").pk, ["HE"])
reports.draft(lab, case.pk, reports.Draft("histology", "Viêm mạn", "Viêm dạ dày mạn", {}))
reports.sign(lab, case.pk)
from datetime import date
from tuetinh.care.lab.quality import assessment, cold, documents, reagents, upkeep
reagent = reagents.save(
    lab, None, name="Glucose", maker="", tests=["23.0075.1494"], per_pack=100, open_days=30, low=2
)
pack = reagents.receive(lab, reagent.pk, lot="L1", expires=date(2029, 1, 1), price=Decimal(100000), packs=3)
reagents.open_pack(lab, pack.lot_id, "")
day = date(2026, 1, 5)
upkeep.plan(lab, machine="XN-1000", kind="calibration", title="QC", every_days=30, due_on=day)
told = dict(scheme="EQA", sample="A", analyte="GLU", machine="", on=day, assigned=Decimal(5), sd=Decimal("0.2"))
for round_, value in (("1", "5.1"), ("2", "5.7")):
    assessment.report(lab, round_=round_, value=Decimal(value), **told)
pairs = [(Decimal(n), Decimal(n) + Decimal("0.1") * (n % 3)) for n in range(1, 13)]
assessment.compare(lab, analyte="GLU", first="A", second="B", pairs=pairs, on=day)
fridge = cold.keep_fridge(lab, None, name="A", code="", low=Decimal(2), high=Decimal(8), silent_hours=12)
for value in ("4.5", "9.1"):
    cold.read(lab, fridge.pk, Decimal(value))
documents.publish(lab, number="QT.01", title="ISO", version="1", effective_on=day, review_on=date(2027, 1, 5))
from tuetinh.care.lab.statistics.summary import count_recent
count_recent(2)
"""
DOCUMENTS = (".pdf", ".csv", ".xml", ".wav", ".xlsx", ".ndjson", ".zpl")
ASKED = {"response_type": "code", "state": "a-page", "code_challenge": "x" * 43, "code_challenge_method": "S256"}


@dataclass
class Visit:
    """The pages of one node, opened one after the other, each role in its own tab."""

    browser: Browser
    node: Province
    axe: Callable[[Page], list[str]]
    tabs: dict[str, Page] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def tab(self, role: str) -> Page:
        """A page on which somebody of the role is logged in."""
        if role not in self.tabs:
            page = self.browser.new_page(locale="vi-VN", reduced_motion="reduce")
            page.on("console", lambda line: self.told.append(line.text) if line.type == "error" else None)
            page.on("pageerror", lambda error: self.told.append(str(error)))
            page.on("dialog", lambda dialog: dialog.accept())
            if role:
                account = self.node.account(role)
                page.goto(f"{self.node.url}/login")
                page.fill("[name=username]", account["username"])
                page.fill("[name=password]", account["password"])
                page.press("[name=password]", "Enter")
                page.wait_for_url(lambda url: "/login" not in url)
            self.tabs[role] = page
        return self.tabs[role]

    def status(self, role: str, path: str) -> int:
        """What the server answers, without opening a page."""
        return self.tab(role).context.request.get(self.node.url + path, max_redirects=0).status

    def look(self, role: str, path: str, expected: int = 200) -> None:
        """Open a page at a desk, then make it as narrow as a phone, and note what is wrong with it."""
        page, where = self.tab(role), f"{role or 'nobody'} {path}"
        self.told.clear()
        page.set_viewport_size(DESK)
        answer = page.goto(self.node.url + path)
        if answer is None or answer.status != expected:
            self.faults.append(f"{where}: answered {answer and answer.status}")
            return
        for size in (DESK, PHONE):
            page.set_viewport_size(size)
            page.wait_for_timeout(60)  # what follows the size of the window
            self.faults += [f"{where} {size['width']} px: {fault}" for fault in self.axe(page)]
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wider > 0:
                self.faults.append(f"{where}: {wider} px wider than {size['width']}")
        self.faults += [f"{where}: {line}" for line in self.told if expected == 200 or "status of" not in line]

    def address(self, route: str, row: Row) -> str:
        """The address of a page with parameters, from a link to it."""
        if row.at:
            return row.at
        page = self.tab(row.role)
        page.goto(self.node.url + (self.address(row.on, ROWS[row.on]) if row.on in ROWS else row.on))
        links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
        sought = VISIT if row.about else route
        found = [path for path in (urlsplit(link).path for link in links) if _route(path) == sought]
        assert found, f"no link to {sought} on {row.on}"
        return row.about.format(found[0].rpartition("/")[2]) if row.about else found[0]


def _route(path: str) -> str:
    try:
        return resolve(path).route
    except Resolver404:
        return ""


def _role(door: Door) -> str:
    """Whoever may: the role whose desk it is, by the order of roles; nobody where everyone may."""
    return next((role for role in (*ROLES, "province") if role in door.roles), NOBODY) if door.roles else NOBODY


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def lived_in(province: Province) -> Province:
    """A node on which somebody went the whole way, and an analyser sent what nobody ordered."""
    gone = run(province.data, "journey")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    script = "\n".join((TWICE, CONNECTED, ASKED_FOR, ANSWERED, AT_THE_LABORATORY, AT_IMAGING, IN_THE_BLOOD_BANK))
    made = run(province.data, "manage", "shell", "--verbosity", "0", "--command", script)
    assert made.returncode == 0, made.stdout + made.stderr
    send_hl7(province.demo["ports"]["mllp"], results("2609999999", {"GLU": ("7.8", "mmol/L", "3.9-6.4")}))
    return province


@pytest.fixture(scope="module")
def tabs() -> dict[str, Page]:
    """Who is logged in already."""
    return {}


@pytest.fixture
def visit(browser: Browser, lived_in: Province, tabs: dict[str, Page], axe: Callable[[Page], list[str]]) -> Visit:
    """The pages of that node."""
    return Visit(browser, lived_in, axe, tabs)


def test_every_page_is_accessible(visit: Visit) -> None:
    lost = []
    for door in doors():
        route = _route(door.url)
        if route in NO_PAGES or route.endswith(DOCUMENTS):
            continue
        row = ROWS.get(route, Row(_role(door)))
        if visit.status(row.role, door.url) == 405:  # what a form sends to
            continue
        if "<" in route and route not in ROWS:
            lost.append(f"{route} says nowhere how it is reached: give it a line in ROWS")
            continue
        path = visit.address(route, row) if "<" in route else f"/{route}"
        if route in ("", "oauth/authorize"):  # leads on; has a test of its own
            continue
        for state in ("", *row.states):
            visit.look(row.role, path + state)
    assert lost == []
    assert visit.faults == [], "\n".join(visit.faults)


def test_the_pages_that_refuse_are_accessible(visit: Visit) -> None:
    visit.look("reception", "/nowhere", 404)
    visit.look("reception", "/lab", 403)
    visit.look("citizen", "/me/results/nothing", 404)
    visit.look("outsider", "/")
    visit.look("admin", "/oauth/authorize?client_id=nobody", 400)
    assert visit.faults == [], "\n".join(visit.faults)


def test_the_page_that_asks_for_an_app_is_accessible(visit: Visit) -> None:
    app = {"name": "Ứng dụng thử", "client_id": f"thu-{uuid4().hex[:8]}", "redirect_uris": "https://app.example/back"}
    page = visit.tab("admin")
    page.set_viewport_size(DESK)
    page.goto(f"{visit.node.url}/accounts/apps/new")
    page.select_option("[name=proof]", "none")
    page.fill("[name=scopes]", "launch/patient patient/Patient.rs patient/Observation.rs")
    for name, value in app.items():
        page.fill(f"[name={name}]", value)
    page.click("main form button[type=submit], main form button.btn-primary")
    page.wait_for_selector(f"main:has-text('{app['client_id']}')")
    asked = ASKED | {
        "client_id": app["client_id"],
        "redirect_uri": app["redirect_uris"],
        "aud": f"{visit.node.url}/fhir",
    }
    for scope, role in (("launch/patient patient/Patient.rs", "doctor"), ("patient/Observation.rs", "citizen")):
        visit.look(role, f"/oauth/authorize?{urlencode(asked | {'scope': scope})}")
    assert visit.faults == [], "\n".join(visit.faults)
