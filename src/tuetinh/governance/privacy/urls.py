"""Addresses of the duties of data protection."""

from __future__ import annotations

from django.urls import path, re_path

from tuetinh.governance.privacy.breaches import pages as breaches
from tuetinh.governance.privacy.deidentify import pages as research
from tuetinh.governance.privacy.person_export import pages as exports
from tuetinh.governance.privacy.purposes import pages as purposes
from tuetinh.governance.privacy.requests import my_pages
from tuetinh.governance.privacy.requests import pages as requests
from tuetinh.governance.privacy.retention import pages as retention

app_name = "privacy"
urlpatterns = [
    path("me/rights", my_pages.mine, name="mine"),
    path("me/rights/<int:request_id>", my_pages.my_one, name="mine-one"),
    path("privacy", requests.queue, name="requests"),
    path("privacy/requests/<int:request_id>", requests.one, name="request"),
    re_path(
        r"^privacy/requests/(?P<request_id>[0-9]{1,9})/(?P<verb>accept|grant|refuse|finish|forward)$",
        requests.step,
        name="request-step",
    ),
    path("privacy/people/<str:patient_id>/request", requests.paper, name="paper"),
    path("privacy/corrections", requests.corrections, name="corrections"),
    path("privacy/corrections/<int:request_id>", requests.correction, name="correction"),
    path("privacy/breaches", breaches.breaches, name="breaches"),
    path("privacy/breaches/new", breaches.new, name="breach-new"),
    path("privacy/breaches/<int:breach_id>", breaches.breach, name="breach"),
    path("privacy/breaches/<int:breach_id>/edit", breaches.edit, name="breach-edit"),
    path("privacy/breaches/<int:breach_id>/people", breaches.concerned, name="breach-people"),
    path("privacy/breaches/<int:breach_id>/notice.pdf", breaches.notice, name="breach-notice"),
    re_path(
        r"^privacy/breaches/(?P<breach_id>[0-9]{1,9})/(?P<verb>trace|report|tell|close)$",
        breaches.step,
        name="breach-step",
    ),
    path("privacy/purposes", purposes.purposes, name="purposes"),
    path("privacy/purposes.csv", purposes.table, name="purposes-table"),
    path("privacy/purposes.pdf", purposes.printed, name="purposes-printed"),
    path("privacy/purposes/<slug:code>", purposes.purpose, name="purpose"),
    path("privacy/purposes/<slug:code>/text", purposes.purpose_step, {"verb": "text"}, name="purpose-text"),
    path("privacy/purposes/<slug:code>/filed", purposes.purpose_step, {"verb": "filed"}, name="purpose-filed"),
    path("privacy/purposes/<slug:code>/updated", purposes.purpose_step, {"verb": "updated"}, name="purpose-updated"),
    path("me/consents", purposes.mine, name="consents"),
    path("me/export", exports.mine, name="my-exports"),
    path("me/export/<int:export_id>", exports.take, name="my-export"),
    path("privacy/requests/<int:request_id>/export", exports.for_request, name="request-export"),
    path("privacy/research", research.exports, name="research"),
    path("privacy/research/<int:export_id>/decide", research.decide, name="research-decide"),
    path("privacy/research/<int:export_id>/file", research.take, name="research-file"),
    path("privacy/retention", retention.retention, name="retention"),
    path("privacy/retention/<int:destruction_id>", retention.destruction, name="destruction"),
    path("privacy/retention/<int:destruction_id>/decide", retention.decide, name="destruction-decide"),
    path("privacy/retention/<int:destruction_id>/minutes.pdf", retention.minutes, name="destruction-minutes"),
    path("privacy/people/<str:patient_id>/hold", retention.hold, name="hold"),
]
