"""Pages of the identity module."""

from __future__ import annotations

from django.urls import path

from tuetinh.commons.identity import edit_pages, guardian_pages, pages, report_pages, review_pages

app_name = "identity"
urlpatterns = [
    path("people", pages.people, name="people"),
    path("people/of-the-station", pages.residents, name="residents"),
    path("people/review", review_pages.queue, name="review"),
    path("people/review/<int:pair_id>", review_pages.pair, name="pair"),
    path("people/model", review_pages.model, name="model"),
    path("people/merges", review_pages.merges, name="merges"),
    path("people/<str:patient_id>", pages.person, name="person"),
    path("people/<str:patient_id>/account", pages.account, name="account"),
    path("people/<str:patient_id>/guardians", guardian_pages.guardians, name="guardians"),
    path("people/<str:patient_id>/edit", edit_pages.edit, name="edit"),
    path("people/<str:patient_id>/unmerge", review_pages.unmerge, name="unmerge"),
    path("people/<str:patient_id>/report", report_pages.report, name="report"),
]
