"""Addresses of the consulting room."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.clinic import pages, worklist_pages
from tuetinh.care.clinic.procedures import machine_pages
from tuetinh.care.clinic.procedures import pages as procedures

app_name = "clinic"
urlpatterns = [
    path("clinic", pages.worklist, name="worklist"),
    path("clinic/prescriptions", worklist_pages.prescriptions, name="prescriptions"),
    path("clinic/files", worklist_pages.files, name="files"),
    path("clinic/machines", machine_pages.known, name="machines"),
    path("clinic/next", pages.call_next, name="next"),
    path("clinic/people/<str:patient_id>", pages.person, name="person"),
    path("clinic/visits/<str:encounter_id>", pages.visit, name="visit"),
    path("clinic/visits/<str:encounter_id>/call", pages.call, name="call"),
    path("clinic/visits/<str:encounter_id>/away", pages.away, name="away"),
    path("clinic/visits/<str:encounter_id>/start", pages.start, name="start"),
    path("clinic/visits/<str:encounter_id>/vitals", pages.vitals, name="vitals"),
    path("clinic/visits/<str:encounter_id>/examination", pages.examination, name="examination"),
    path("clinic/visits/<str:encounter_id>/orders", pages.orders, name="orders"),
    path("clinic/people/<str:patient_id>/visits/<str:encounter_id>", pages.past, name="past"),
    path("clinic/visits/<str:encounter_id>/orders/cancel", pages.cancel_order, name="cancel-order"),
    path("clinic/visits/<str:encounter_id>/procedures", procedures.procedures, name="procedures"),
    path(
        "clinic/visits/<str:encounter_id>/procedures/<str:procedure_id>/cancel",
        procedures.take_back,
        name="procedure-back",
    ),
    path("clinic/visits/<str:encounter_id>/allergies", pages.allergy, name="allergy"),
    path("clinic/visits/<str:encounter_id>/drafts/<str:form>", pages.draft, name="draft"),
    path("clinic/visits/<str:encounter_id>/prescription", pages.prescription, name="prescription"),
    path("clinic/visits/<str:encounter_id>/close", pages.close, name="close"),
    path("clinic/visits/<str:encounter_id>/reopen", pages.reopen, name="reopen"),
    path("clinic/visits/<str:encounter_id>/prescription.pdf", pages.prescription_pdf, name="prescription-pdf"),
    path("clinic/visits/<str:encounter_id>/summary.pdf", pages.summary_pdf, name="summary-pdf"),
    path("clinic/visits/<str:encounter_id>/claim.xml", pages.claim_xml, name="claim"),
]
