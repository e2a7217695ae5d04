"""Addresses of the laboratory's pages."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.lab import pages
from tuetinh.care.lab.blood import urls as blood_urls
from tuetinh.care.lab.machines import inbox_pages, unassigned_pages
from tuetinh.care.lab.machines import pages as machine_pages
from tuetinh.care.lab.microbiology import pages as culture_pages
from tuetinh.care.lab.microbiology import report_pages
from tuetinh.care.lab.pathology import urls as pathology_urls
from tuetinh.care.lab.poct import pages as poct_pages
from tuetinh.care.lab.quality import assessment_pages, cold_pages, reagent_pages, upkeep_pages
from tuetinh.care.lab.quality import pages as quality_pages
from tuetinh.care.lab.results import pages as result_pages
from tuetinh.care.lab.results import picture_pages, rule_pages
from tuetinh.care.lab.samples import catalogue_pages, order_pages
from tuetinh.care.lab.samples import pages as sample_pages
from tuetinh.care.lab.statistics import pages as statistics_pages

app_name = "lab"
urlpatterns = [
    path("lab", pages.worklist, name="worklist"),
    path("lab/verify", result_pages.verify_passed, name="verify-passed"),
    path("lab/release", result_pages.release_passed, name="release-passed"),
    path("lab/board", result_pages.board, name="board"),
    path("lab/calls", result_pages.calls, name="calls"),
    path("lab/signatories", result_pages.signatories, name="signatories"),
    path("lab/tests", catalogue_pages.directory, name="directory"),
    path("lab/draw", sample_pages.to_draw, name="to-draw"),
    path("lab/draw/<str:encounter_id>", sample_pages.draw, name="draw"),
    path("lab/standing/<str:encounter_id>", order_pages.standing, name="standing"),
    path("lab/standing/<str:encounter_id>/<int:standing_id>/stop", order_pages.stop, name="stop-standing"),
    path("lab/shipments", sample_pages.shipments, name="shipments"),
    path("lab/shipments/<str:number>", sample_pages.shipment, name="shipment"),
    path("lab/shipments/<str:number>/manifest.pdf", sample_pages.manifest, name="manifest"),
    path("lab/poct", poct_pages.measured, name="poct"),
    path("lab/poct/<str:encounter_id>", poct_pages.measure, name="poct-measure"),
    path("lab/quality", quality_pages.quality, name="quality"),
    path("lab/quality/new", quality_pages.new_control, name="new-control"),
    path("lab/quality/<int:control_id>", quality_pages.control, name="control"),
    path("lab/quality/<int:control_id>/chart.pdf", quality_pages.chart, name="control-chart"),
    path("lab/quality/<int:control_id>/end", quality_pages.end, name="end-control"),
    path("lab/quality/blocks/<int:block_id>/resolve", quality_pages.resolve, name="resolve-block"),
    path("lab/cultures", culture_pages.cultures, name="cultures"),
    path("lab/cultures/<str:number>", culture_pages.culture, name="culture"),
    path("lab/cultures/<str:number>/<str:order>/step", culture_pages.step, name="culture-step"),
    path("lab/cultures/<str:number>/<str:order>/isolates/<int:place>", culture_pages.isolate, name="isolate"),
    path("lab/cultures/<str:number>/<str:order>/isolates/<int:place>/drop", culture_pages.drop, name="drop-isolate"),
    path("lab/cultures/<str:number>/<str:order>/proposals/<int:proposal_id>", culture_pages.proposal, name="proposal"),
    path("lab/antibiogram", report_pages.antibiogram, name="antibiogram"),
    path("lab/antibiogram.xlsx", report_pages.antibiogram_xlsx, name="antibiogram-xlsx"),
    path("lab/whonet.<str:form>", report_pages.whonet, name="whonet"),
    path("lab/breakpoints", report_pages.tables, name="breakpoints"),
    path("lab/quality/blocks/<int:block_id>/results", quality_pages.at_risk, name="at-risk"),
    path("lab/reagents", reagent_pages.stock, name="reagents"),
    path("lab/reagents/<int:reagent_id>", reagent_pages.reagent, name="reagent"),
    path("lab/reagents/<int:reagent_id>/change", reagent_pages.change, name="change-reagent"),
    path("lab/reagents/<int:reagent_id>/lots/<int:lot_id>/open", reagent_pages.open_pack, name="open-pack"),
    path("lab/reagents/<int:reagent_id>/lots/<int:lot_id>/discard", reagent_pages.discard, name="discard-pack"),
    path("lab/reagents/<int:reagent_id>/packs/<int:move_id>/finish", reagent_pages.finish, name="finish-pack"),
    path("lab/reagents/lots/<int:lot_id>", reagent_pages.used, name="lot-used"),
    path("lab/upkeep", upkeep_pages.plans, name="upkeep"),
    path("lab/upkeep/done", upkeep_pages.carry_out, name="upkeep-done"),
    path("lab/upkeep/<int:upkeep_id>/end", upkeep_pages.end, name="end-upkeep"),
    path("lab/procedures", upkeep_pages.procedures, name="procedures"),
    path("lab/procedures/<int:pk>/read", upkeep_pages.read, name="read-procedure"),
    path("lab/procedures/<int:pk>/withdraw", upkeep_pages.withdraw, name="withdraw-procedure"),
    path("lab/rounds", assessment_pages.rounds, name="rounds"),
    path("lab/rounds/<str:analyte>/chart.pdf", assessment_pages.rounds_chart, name="rounds-chart"),
    path("lab/rounds/<int:pk>/act", assessment_pages.act, name="act-round"),
    path("lab/comparisons", assessment_pages.comparisons, name="comparisons"),
    path("lab/comparisons/<int:pk>", assessment_pages.comparison, name="comparison"),
    path("lab/comparisons/<int:pk>/chart.pdf", assessment_pages.comparison_chart, name="comparison-chart"),
    path("lab/uncertainty", assessment_pages.uncertainty, name="uncertainty"),
    path("lab/fridges", cold_pages.fridges, name="fridges"),
    path("lab/fridges/<int:fridge_id>", cold_pages.fridge, name="fridge"),
    path("lab/fridges/<int:fridge_id>/chart.pdf", cold_pages.fridge_chart, name="fridge-chart"),
    path("lab/fridges/readings/<int:reading_id>/act", cold_pages.act, name="act-temperature"),
    path("lab/statistics", statistics_pages.statistics, name="statistics"),
    path("lab/statistics.xlsx", statistics_pages.statistics_file, {"form": "xlsx"}, name="statistics-xlsx"),
    path("lab/statistics.pdf", statistics_pages.statistics_file, {"form": "pdf"}, name="statistics-pdf"),
    path("lab/people/<str:patient_id>", result_pages.person, name="person"),
    path("lab/rules", rule_pages.rules, name="rules"),
    path("lab/rules/<str:code>", rule_pages.rule, name="rule"),
    path("lab/inbox", inbox_pages.inbox_list, name="inbox"),
    path("lab/inbox/<int:message_id>", inbox_pages.message, name="message"),
    path("lab/inbox/<int:message_id>/match", inbox_pages.match, name="match"),
    path("lab/inbox/<int:message_id>/retry", inbox_pages.retry, name="retry"),
    path("lab/inbox/<int:message_id>/aside", inbox_pages.aside, name="aside"),
    path("lab/inbox/<int:message_id>/teach", inbox_pages.teach, name="teach"),
    path("lab/unassigned", unassigned_pages.senders, name="unassigned"),
    path("lab/unassigned/<int:message_id>/assign", unassigned_pages.assign, name="assign"),
    path("lab/machines", machine_pages.machines, name="machines"),
    path("lab/machines/new", machine_pages.new_machine, name="new-machine"),
    path("lab/machines/<int:analyser_id>", machine_pages.machine, name="machine"),
    path("lab/machines/<int:analyser_id>/teach", machine_pages.teach_code, name="teach-code"),
    path("lab/machines/<int:analyser_id>/forget", machine_pages.forget_code, name="forget-code"),
    path("lab/tubes/<str:number>", pages.tube, name="tube"),
    path("lab/tubes/<str:number>/receive", pages.receive, name="receive"),
    path("lab/tubes/<str:number>/reject", pages.reject, name="reject"),
    path("lab/tubes/<str:number>/cancel", pages.cancel, name="cancel"),
    path("lab/tubes/<str:number>/results", pages.results, name="results"),
    path("lab/tubes/<str:number>/critical", pages.critical, name="critical"),
    path("lab/tubes/<str:number>/verify", pages.verify, name="verify"),
    path("lab/tubes/<str:number>/release", pages.release, name="release"),
    path("lab/tubes/<str:number>/label.pdf", pages.label, name="label"),
    path("lab/tubes/<str:number>/label.zpl", sample_pages.zpl_label, name="zpl"),
    path("lab/tubes/<str:number>/label", sample_pages.zpl_preview, name="zpl-preview"),
    path("lab/tubes/<str:number>/part", sample_pages.part, name="part"),
    path("lab/tubes/<str:number>/store", sample_pages.store, name="store"),
    path("lab/tubes/<str:number>/add", sample_pages.add, name="add"),
    path("lab/tubes/<str:number>/pictures", picture_pages.attach, name="attach"),
    path("lab/tubes/<str:number>/pictures/<str:picture>/remove", picture_pages.detach, name="detach"),
    path("lab/pictures/<str:picture>", picture_pages.picture, name="picture"),
    path("lab/tubes/<str:number>/repeat", order_pages.repeat, name="repeat"),
    path("lab/tubes/<str:number>/cancel-order", order_pages.cancel_order, name="cancel-order"),
    path("lab/tubes/<str:number>/sheet.pdf", pages.sheet, name="sheet"),
    *blood_urls.urlpatterns,
    *pathology_urls.urlpatterns,
]
