"""What has happened on a node before its pages are looked at: scripts for its shell."""

from __future__ import annotations

from tuetinh.node.demo.people import CITIZEN

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
# Examinations that wait (one with a dose), are to be read, were read for a peer, and that others are asked about; what
# waits; nobody's study.
AT_IMAGING = """
from tuetinh.care.clinic.api import order_imaging
from tuetinh.care.imaging.archive.keeping import Source, keep
from tuetinh.care.imaging.models import Dose, Exam
from tuetinh.care.imaging.tests.conftest import part10
from tuetinh.care.reception import api as reception
from tuetinh.commons.access.api import asker_of
from tuetinh.commons.access.models import Account
from tuetinh.record import api as record, r4
account = Account.objects.get(username="doctor")
doctor, desk = asker_of(account), asker_of(Account.objects.get(username="reception"))
def coughs():
    person = record.create(record.SYSTEM, r4.Patient(name=[r4.HumanName(text="Lò Văn Ho")], birthDate="1980-01-01"))
    came = reception.open_visit(desk, person.id, account.facility, account.room, "Ho kéo dài")
    reception.start(doctor, came.encounter)
    order_imaging(doctor, came.encounter, "18.0119.0028", question="Ho kéo dài", site="Ngực")
coughs()
here = Source(doctor.facility, "AE CT1")
exam = Exam.objects.latest("id")
Dose.objects.create(study_instance_uid=exam.study_instance_uid, facility=exam.facility, patient=exam.patient, exam=exam,
                    modality="DX", at=exam.ordered_at, machine="X-quang 1", protocol="XR-CHEST", region="Ngực",
                    description=exam.description, dap="0.15", source="rdsr")
from tuetinh.care.imaging.actions import begin, finish
from tuetinh.care.imaging.models import Exam, PeerReview
from tuetinh.care.imaging.reading import work
from tuetinh.care.imaging.safety.actions import answer
reader = asker_of(Account.objects.get(username="imaging"))
for _ in range(2):
    coughs()
    taken = Exam.objects.latest("pk")
    answer(reader, taken.pk, {"pregnant": "no"})
    begin(reader, taken.pk)
    finish(reader, taken.pk)
    work.tell(reader, taken.pk, "Tràn khí màng phổi")
work.sign(reader, taken.pk, work.Typed("Tràn khí màng phổi phải.", "Tràn khí màng phổi."))
PeerReview.objects.create(exam=taken, facility=reader.facility, modality=taken.modality, author="0",
                          chosen_at=taken.ordered_at, reviewer=reader.account)
from datetime import timedelta
from django.utils import timezone
from tuetinh.care.imaging.remote import opinions
Exam.objects.filter(pk=taken.pk).update(study_instance_uid="1.2.3.5")
told = dict(PatientID="", PatientName="Lò^Văn^Ho", PatientBirthDate="19800101", PatientSex=None)
for number in (1, 2):
    keep(here, part10(StudyInstanceUID="1.2.3.5", SeriesInstanceUID="1.2.3.5.1", InstanceNumber=number, **told))
elsewhere = next(id_ for id_, name in opinions.places(doctor) if id_ != doctor.facility)
until = timezone.now() + timedelta(hours=4)
opinions.ask(doctor, ["1.2.3.5"], opinions.Question("Có tràn khí không?", elsewhere, "", until))
keep(here, b"broken")
keep(here, part10(PatientID="UNKNOWN"))
from tuetinh.care.imaging.archive.models import Unreadable
from tuetinh.care.imaging.models import Instance
blind = Instance.objects.filter(study__study_instance_uid="1.2.3.5").first()
Instance.objects.filter(pk=blind.pk).update(received_at=until)  # so that the job does not open it after all
Unreadable.objects.create(instance=blind, digest=blind.digest, fault="broken", found_at=timezone.now())
from tuetinh.care.imaging.capture.disc.actions import begin
begin(reader, exam.patient, "USB")
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
# Somebody who lies in.
ON_THE_WARD = """
from tuetinh.care.ward import actions as ward, queries as beds
person = record.create(record.SYSTEM, r4.Patient(name=[r4.HumanName(text="Vàng Thị Nằm")], birthDate="1960-01-01"))
came = reception.open_visit(desk, person.id, account.facility, account.room, "Khó thở")
reception.start(doctor, came.encounter)
bed = next(bed for one in beds.departments(doctor) for bed in one.free)
ward.admit(doctor, came.encounter, bed.id, "Viêm phổi")
"""
EVERYTHING = "\n".join(
    (TWICE, CONNECTED, ASKED_FOR, ANSWERED, AT_THE_LABORATORY, AT_IMAGING, ON_THE_WARD, IN_THE_BLOOD_BANK)
)
