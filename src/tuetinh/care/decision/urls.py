"""Addresses of decision support (CDS Hooks 2.0, "HTTP API")."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.decision import wire_cdshooks

app_name = "decision"
urlpatterns = [
    path("cds-services", wire_cdshooks.discovery, name="cds-services"),
    path("cds-services/<str:id_>", wire_cdshooks.service, name="cds-service"),
    path("cds-services/<str:id_>/feedback", wire_cdshooks.feedback, name="cds-feedback"),
]
