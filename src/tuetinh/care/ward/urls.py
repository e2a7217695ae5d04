"""Addresses of the ward."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.ward import pages

app_name = "ward"
urlpatterns = [
    path("ward", pages.list_, name="list"),
    path("ward/visits/<str:encounter_id>", pages.stay, name="stay"),
    path("ward/visits/<str:encounter_id>/admit", pages.admit, name="admit"),
    path("ward/visits/<str:encounter_id>/move", pages.move, name="move"),
    path("ward/visits/<str:encounter_id>/bed-days", pages.bed_day, name="bed-day"),
    path("ward/visits/<str:encounter_id>/supplies", pages.supply, name="supply"),
    path("ward/visits/<str:encounter_id>/medicines", pages.medicine, name="medicine"),
    path("ward/visits/<str:encounter_id>/medicines/<str:order_id>/given", pages.give, name="give"),
    path("ward/visits/<str:encounter_id>/charges/<str:charge_id>/cancel", pages.cancel, name="cancel"),
]
