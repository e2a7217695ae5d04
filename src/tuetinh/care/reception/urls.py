"""Addresses of the reception desk and of the waiting-room screens."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.reception import pages, province_pages, unnamed_pages

app_name = "reception"
urlpatterns = [
    path("reception", pages.home, name="home"),
    path("reception/new", pages.new, name="new"),
    path("reception/today", pages.today, name="today"),
    path("reception/province", province_pages.province, name="province"),
    path("reception/people/<str:patient_id>", pages.person, name="person"),
    path("reception/unknown", unnamed_pages.unknown, name="unknown"),
    path("reception/people/<str:patient_id>/newborn", unnamed_pages.newborn, name="newborn"),
    path("reception/people/<str:patient_id>/complete", unnamed_pages.complete, name="complete"),
    path("reception/people/<str:patient_id>/card", pages.card, name="card"),
    path("reception/visits/<str:encounter_id>", pages.visit, name="visit"),
    path("reception/visits/<str:encounter_id>/ticket.pdf", pages.ticket, name="ticket"),
    path("reception/visits/<str:encounter_id>/cancel", pages.cancel, name="cancel"),
    path("reception/visits/<str:encounter_id>/move", pages.move, name="move"),
    path("wall/<str:room>", pages.wall, name="wall"),
    path("wall/<str:room>/calls/<int:number>.wav", pages.call, name="call"),
]
