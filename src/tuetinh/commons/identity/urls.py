"""Pages of the identity module."""

from __future__ import annotations

from django.urls import path

from tuetinh.commons.identity import pages

app_name = "identity"
urlpatterns = [
    path("people", pages.people, name="people"),
    path("people/of-the-station", pages.residents, name="residents"),
    path("people/<str:patient_id>", pages.person, name="person"),
    path("people/<str:patient_id>/account", pages.account, name="account"),
]
