"""Addresses of pathology's pages."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.lab.pathology import archive_pages, pages

urlpatterns = [
    path("lab/pathology", pages.worklist, name="pathology"),
    path("lab/pathology/archive", archive_pages.archive, name="pathology-archive"),
    path("lab/pathology/visits/<str:encounter_id>", pages.of_visit, name="pathology-visit"),
    path("lab/pathology/cases/<int:case_id>", pages.case, name="pathology-case"),
    path("lab/pathology/cases/<int:case_id>/report.pdf", archive_pages.report, name="pathology-report"),
    path("lab/pathology/cases/<int:case_id>/sign/<slug:what>", pages.sign, name="pathology-sign"),
    path("lab/pathology/cases/<int:case_id>/<slug:step>", pages.step, name="pathology-step"),
    path("lab/pathology/pieces/<int:piece_id>/label.zpl", archive_pages.label_zpl, name="pathology-zpl"),
    path("lab/pathology/pieces/<int:piece_id>/label.pdf", archive_pages.label_pdf, name="pathology-label"),
    path("lab/pathology/pieces/<int:piece_id>/<slug:step>", archive_pages.move, name="pathology-piece"),
]
