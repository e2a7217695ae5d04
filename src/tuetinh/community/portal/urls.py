"""Addresses of the citizen's pages."""

from __future__ import annotations

from django.urls import path, re_path

from tuetinh.community.portal import family, pages, share_pages, sharing

app_name = "portal"
urlpatterns = [
    path("me", pages.today, name="today"),
    path("me/turn", pages.turn, name="turn"),
    path("me/results", pages.results, name="results"),
    path("me/results/<str:code>", pages.result, name="result"),
    path("me/medicines", pages.medicines, name="medicines"),
    path("me/visits", pages.visits, name="visits"),
    path("me/visits/<str:encounter_id>", pages.visit, name="visit"),
    path("me/visits/<str:encounter_id>/<str:kind>.pdf", pages.paper, name="paper"),
    path("me/record/payments", pages.payments, name="payments"),
    path("me/record/receipts/<int:payment_id>.pdf", pages.receipt, name="receipt"),
    path("me/record", pages.mine, name="mine"),
    path("me/record/sharing", sharing.sharing, name="sharing"),
    path("me/record/sharing/<str:consent_id>", sharing.take_back, name="take-back"),
    path("me/record/family", family.family, name="family"),
    re_path(
        r"^me/record/family/(?P<tie_id>[A-Za-z0-9.-]{1,64})/(?P<verb>accept|decline|end|confirm|refuse)$",
        family.answer,
        name="family-answer",
    ),
    path("me/record/share", share_pages.share, name="share"),
    path("me/record/share/<int:share_id>/end", share_pages.end, name="share-end"),
    path("share", share_pages.shared, name="shared"),
    path("share/record", share_pages.shared_record, name="shared-record"),
    path("share/record/visits/<str:encounter_id>", share_pages.shared_visit, name="shared-visit"),
    path("share/exam", share_pages.shared_exam, name="shared-exam"),
    path("share/exam/report.pdf", share_pages.shared_report, name="shared-report"),
    path("share/exam/parts/<str:uid>/<int:frame>", share_pages.shared_part, name="shared-part"),
    path("share/close", share_pages.close, name="shared-close"),
    path("me/open", family.open_record, name="open"),
    path("me/record/accesses", pages.accesses, name="accesses"),
]
