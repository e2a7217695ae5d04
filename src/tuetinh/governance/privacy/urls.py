"""Addresses of the duties of data protection."""

from __future__ import annotations

from django.urls import path, re_path

from tuetinh.governance.privacy.requests import my_pages
from tuetinh.governance.privacy.requests import pages as requests

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
]
