"""Addresses of the pages of claims and of the account at the gateway."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.insurance.annexes import pages as annexes
from tuetinh.care.insurance.approved import pages as approved
from tuetinh.care.insurance.copayment import pages as copayment
from tuetinh.care.insurance.forms import pages as forms
from tuetinh.care.insurance.intake import pages as intake
from tuetinh.care.insurance.medicines import pages as medicines
from tuetinh.care.insurance.papers import brought_pages
from tuetinh.care.insurance.papers import pages as papers
from tuetinh.care.insurance.past import pages as past
from tuetinh.care.insurance.results import pages as results
from tuetinh.care.insurance.rules import admin_pages
from tuetinh.care.insurance.rules import pages as rules
from tuetinh.care.insurance.sending import account_pages, pages, rates

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
    path("insurance/visits/<str:encounter_id>/brought", brought_pages.came_with, name="brought"),
    path("insurance/visits/<str:encounter_id>/past", past.past, name="past"),
    path("insurance/people/<str:patient_id>/copayment", copayment.copayment, name="copayment"),
    path("insurance", pages.day, name="day"),
    path("insurance/imports", intake.imports, name="imports"),
    path("insurance/imports/<int:import_id>", intake.one, name="import"),
    path("insurance/imports/<int:import_id>.ndjson", intake.report, name="import-report"),
    path("insurance/account", account_pages.account, name="account"),
    path("insurance/account/key", account_pages.key, name="key"),
    path("insurance/claims/<int:case_id>", pages.case, name="case"),
    path("insurance/claims/<int:case_id>/send", pages.send, name="send"),
    path("insurance/claims/<int:case_id>/hold", pages.hold, name="hold"),
    path("insurance/claims/<int:case_id>/recall", pages.recall, name="recall"),
    path("insurance/claims/<int:case_id>/decide", pages.decide, name="decide"),
    path("insurance/claims/<int:case_id>/files/<int:transmission_id>.xml", pages.file, name="file"),
    path("insurance/results", results.month, name="results"),
    path("insurance/results/fetch", results.fetch, name="results-fetch"),
    path("insurance/results/file", results.take, name="results-file"),
    path("insurance/results/<int:case_id>", results.claim, name="result"),
    path("insurance/results/<int:case_id>/dispute", results.dispute, name="result-dispute"),
    path("insurance/disputes", results.disputes, name="disputes"),
    path("insurance/disputes/<int:dispute_id>", results.one_dispute, name="dispute"),
    path("insurance/disputes/<int:dispute_id>/step", results.go_on, name="dispute-step"),
    path("insurance/caught", results.caught, name="caught"),
    path("insurance/caught/weigh", results.weigh, name="caught-weigh"),
    path("insurance/forms", forms.forms, name="forms"),
    path("insurance/forms/make", forms.make, name="forms-make"),
    path("insurance/forms/<int:run_id>/file", forms.file, name="forms-file"),
    path("insurance/visits/<str:encounter_id>/cost-list.pdf", forms.cost_list_pdf, name="cost-list"),
    path("insurance/visits/<str:encounter_id>/cost-list.xlsx", forms.cost_list_xlsx, name="cost-list-xlsx"),
    path("insurance/annexes", annexes.annexes, name="annexes"),
    path("insurance/approved", approved.items, name="approved"),
    path("insurance/approved/import", approved.take, name="approved-import"),
    path("insurance/medicines", medicines.medicines, name="medicines"),
    path("insurance/medicines/approved", medicines.take_approved, name="medicines-approved"),
    path("insurance/medicines/import", medicines.take, name="medicines-import"),
    path("insurance/rates", rates.rates, name="rates"),
]
