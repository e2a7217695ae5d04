"""Addresses of the catalogues module."""

from __future__ import annotations

from django.urls import path

from . import pages

app_name = "catalogues"
urlpatterns = [
    path("catalogues/icd10", pages.icd10, name="icd10"),
    path("catalogues/services", pages.services, name="services"),
    path("catalogues/drugs", pages.drugs, name="drugs"),
    path("catalogues/supplies", pages.supplies, name="supplies"),
    path("catalogues/communes", pages.communes, name="communes"),
]
