"""How the pages are reached that have parameters in their address, or that look different by what is asked."""

from __future__ import annotations

from dataclasses import dataclass

from tuetinh.node.demo.people import CITIZEN

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
    "lab/quality/blocks/<int:block_id>/results": Row("lab", "lab/quality/<int:control_id>"),
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
    "imaging/exams/<int:exam_id>/book": Row("imaging", "/imaging/schedule"),
    "imaging/exams/<int:exam_id>/safety": Row("imaging", "imaging/exams/<int:exam_id>"),
    "imaging/safety": Row("doctor"),
    "imaging/rooms/<int:room_id>": Row("admin", "/imaging/rooms"),
    "imaging/rooms/<int:room_id>/day": Row("imaging", "/imaging/schedule"),
    "imaging/rules": Row("admin", states=("?kind=sheet", "?kind=check", "?kind=reference&q=ct", "?kind=ai")),
    "imaging/ai": Row("admin"),
    "imaging/rules/<str:code>": Row("admin", at="/imaging/rules/CT-HEAD-C"),
    "imaging/dose": Row("imaging", states=("?by=machine", "?by=month")),
    "imaging/dose/people/<str:patient_id>": Row("doctor", at=f"/imaging/dose/people/{CITIZEN}"),
    "imaging/exams/<int:exam_id>/add": Row("imaging", at="/imaging/exams/1/add"),
    "imaging/exams/<int:exam_id>/camera": Row("imaging", at="/imaging/exams/1/camera"),
    "imaging/exams/<int:exam_id>/handover": Row("imaging", at="/imaging/exams/1/handover"),
    "imaging/discs/<int:disc_id>": Row("imaging", "/imaging/discs"),
    "imaging/read": Row("imaging", states=("?list=second", "?list=mine&modality=CT&region=chest")),
    "imaging/read/<int:exam_id>": Row("imaging", "/imaging/read", states=("?template=xq-nguc-thang",)),
    "imaging/opinions": Row("doctor", states=("?list=asked", "?list=closed")),
    "imaging/opinions/<int:opinion_id>": Row("doctor", "/imaging/opinions?list=asked"),
    "imaging/peers/<int:review_id>": Row("imaging", at="/imaging/peers/1"),
    "imaging/exams/<int:exam_id>/teaching": Row("imaging", at="/imaging/exams/3/teaching"),
    "imaging/statistics": Row("imaging", states=("?kind=pictures&by=machine", "?kind=exams&by=reader")),
    "imaging/waiting": Row("imaging", states=("?list=nobody", "?list=unreadable")),
    "imaging/waiting/unreadable/<int:row_id>": Row("imaging", "/imaging/waiting?list=unreadable"),
    "imaging/waiting/<int:held_id>": Row("imaging", "/imaging/waiting"),
    "imaging/studies": Row("imaging", states=("?q=nguyen&modality=CT",)),
    "imaging/studies/<int:study_id>": Row("imaging", "/imaging/studies"),
    "imaging/studies/<int:study_id>/patient": Row("imaging", "/imaging/waiting?list=nobody"),
    "imaging/devices/<int:device_id>": Row("admin", "/imaging/devices"),
    "ward/visits/<str:encounter_id>": Row("doctor", "/ward"),
    "ward/visits/<str:encounter_id>/admit": Row("doctor", "/clinic", about="/ward/visits/{}/admit"),
    "clinic/visits/<str:encounter_id>/procedures": Row("doctor", "/clinic", about="/clinic/visits/{}/procedures"),
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
    "insurance/people/<str:patient_id>/copayment": Row("reception", at=f"/insurance/people/{CITIZEN}/copayment"),
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
    "insurance/medicines": Row("admin", states=("?all=1", "?q=amox&all=1")),
    "insurance/visits/<str:encounter_id>/brought": Row("cashier", "/billing", about="/insurance/visits/{}/brought"),
    "insurance/visits/<str:encounter_id>/past": Row("doctor", "/clinic", about="/insurance/visits/{}/past"),
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
    "share/exam/parts/<str:uid>/<int:frame>": Row(at="/share/exam/parts/1.2/1"),  # leads to the door, without a code
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
    "imaging/exams/<int:exam_id>/packages/<int:package_id>", "imaging/exams/<int:exam_id>/parts/<str:uid>/<int:frame>",
    "insurance/forms/<int:run_id>/file", "lab/whonet.<str:form>", "lab/pictures/<str:picture>",  # files
    "oauth/token", "oauth/revoke", "oauth/introspect", "oauth/jwks", "cds-services", ".well-known/smart-configuration",
    "cds-services/<str:id_>", "cds-services/<str:id_>/feedback", ".well-known/openid-configuration",  # answer programs
    "catalogues/icd10", "catalogues/services", "catalogues/drugs", "catalogues/supplies", "catalogues/communes",
    "me/turn",  # parts of pages
    "apps/<slug:client_id>/launch",  # leads on to an app
    "login/outside/<slug:provider_id>/back",  # leads on from a provider: test_come_from_outside
    "imaging/look", "imaging/opinions/new",  # of studies that are named: test_browse_together
    "imaging/viewer",  # OHIF, which needs pictures: test_browse_the_viewer
    "apps/sample/launch", "apps/sample/",  # an app of its own, that begins with a launch: test_sample_app
}  # fmt: skip
DOCUMENTS = (".pdf", ".csv", ".xml", ".wav", ".xlsx", ".ndjson", ".zpl")
