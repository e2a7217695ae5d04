"""Addresses of the blood bank's pages."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.lab.blood import bedside_pages, order_pages, stock_pages

urlpatterns = [
    path("lab/blood", stock_pages.shelves, name="blood-stock"),
    path("lab/blood/receive", stock_pages.receive, name="blood-receive"),
    path("lab/blood/lookback", stock_pages.look_back, name="blood-lookback"),
    path("lab/blood/units/<int:unit_id>", stock_pages.unit, name="blood-unit"),
    path("lab/blood/units/<int:unit_id>/<slug:step>", stock_pages.move, name="blood-move"),
    path("lab/blood/samples/<str:number>", stock_pages.sample, name="blood-sample"),
    path("lab/blood/people/<str:patient_id>", stock_pages.person, name="blood-person"),
    path("lab/blood/people/<str:patient_id>/resolve", stock_pages.resolve, name="blood-resolve"),
    path("lab/blood/orders", order_pages.order_list, name="blood-orders"),
    path("lab/blood/orders/new/<str:encounter_id>", order_pages.new_order, name="blood-new-order"),
    path("lab/blood/orders/<int:order_id>", order_pages.order, name="blood-order"),
    path("lab/blood/orders/<int:order_id>/match", order_pages.match, name="blood-match"),
    path("lab/blood/orders/<int:order_id>/emergency", order_pages.emergency, name="blood-emergency"),
    path("lab/blood/orders/<int:order_id>/second", order_pages.second, name="blood-second"),
    path("lab/blood/orders/<int:order_id>/cancel", order_pages.cancel, name="blood-cancel"),
    path("lab/blood/bags/<int:allocation_id>/tag.pdf", order_pages.tag, name="blood-tag"),
    path("lab/blood/bags/<int:allocation_id>/<slug:step>", order_pages.bag, name="blood-bag"),
    path("lab/blood/bedside", bedside_pages.at_the_bed, name="blood-bedside"),
    path("lab/blood/transfusions/<int:allocation_id>", bedside_pages.transfusion, name="transfusion"),
    path("lab/blood/transfusions/<int:allocation_id>/measure", bedside_pages.measure, name="transfusion-measure"),
    path("lab/blood/transfusions/<int:allocation_id>/react", bedside_pages.react, name="transfusion-react"),
    path("lab/blood/transfusions/<int:allocation_id>/sheet.pdf", bedside_pages.sheet, name="transfusion-sheet"),
    path("lab/blood/reactions", bedside_pages.reaction_list, name="blood-reactions"),
    path("lab/blood/reactions/<int:reaction_id>", bedside_pages.reaction, name="blood-reaction"),
]
