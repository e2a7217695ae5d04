"""Addresses of the pages of claims and of the account at the gateway."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.insurance.papers import pages as papers
from tuetinh.care.insurance.rules import admin_pages
from tuetinh.care.insurance.rules import pages as rules
from tuetinh.care.insurance.sending import account_pages, pages

app_name = "insurance"
PAPER = "insurance/visits/<str:encounter_id>/papers/<slug:name>/<int:place>"
urlpatterns = [
    path("insurance/rules", admin_pages.rules, name="rules"),
    path("insurance/rules/<str:code>", admin_pages.rule, name="rule"),
    path("insurance/overrides", admin_pages.overrides, name="overrides"),
    path("insurance/remarks/<str:encounter_id>/<slug:moment>", rules.remarks, name="remarks"),
    path("insurance/visits/<str:encounter_id>/papers", papers.papers, name="papers"),
    path(PAPER, papers.paper, name="paper"),
    path(f"{PAPER}/withdraw", papers.withdraw, name="withdraw-paper"),
    path(f"{PAPER}.pdf", papers.paper_pdf, name="paper-pdf"),
    path("insurance/visits/<str:encounter_id>/appointment.pdf", papers.appointment_pdf, name="appointment-pdf"),
    path("insurance", pages.day, name="day"),
    path("insurance/account", account_pages.account, name="account"),
    path("insurance/account/key", account_pages.key, name="key"),
    path("insurance/claims/<int:case_id>", pages.case, name="case"),
    path("insurance/claims/<int:case_id>/send", pages.send, name="send"),
    path("insurance/claims/<int:case_id>/hold", pages.hold, name="hold"),
    path("insurance/claims/<int:case_id>/decide", pages.decide, name="decide"),
    path("insurance/claims/<int:case_id>/files/<int:transmission_id>.xml", pages.file, name="file"),
]
